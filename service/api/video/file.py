"""A video that has arrived: its frames, decoded in codec threads, one ahead of the one in use."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from io import BytesIO
from typing import Self

import anyio

from service.api.dependencies import Services
from service.api.record import RequestRecord
from service.api.video.frames import Video, VideoFrame
from service.api.video.index import check_index


class VideoFile:
    """An opened video, read by one caller.

        async with VideoFile.opened(services, story, data, timeout_s) as file:
            async for frame in file:
                ...

    State: `_next`, the frame behind the one that was read last: being decoded, or waiting. There
    is never more than this one.

    Args:
        services: of this process.
        story: of the request; the time goes to its phase `decode`.
        video: opened; nobody else reads it.
        timeout_s: that decoding a frame may take.

    Attributes:
        video: what it says of itself.
    """

    def __init__(
        self, services: Services, story: RequestRecord, video: Video, timeout_s: float
    ) -> None:
        self.video = video
        self._services = services
        self._story = story
        self._timeout_s = timeout_s
        self._next: asyncio.Task[VideoFrame | None] | None = None

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, services: Services, story: RequestRecord, data: bytes, timeout_s: float
    ) -> AsyncIterator[Self]:
        """Open a video as long as the block runs.

        Args:
            services: see the class.
            story: see the class.
            data: the file.
            timeout_s: see the class.

        Raises:
            UnreadableVideo: see `Video` and `check_index`.
            TooLarge: see there too.
            DeadlineExceeded: no thread was free in time.
        """
        max_pixels = int(services.settings.max_image_megapixels * 1e6)
        with story.timed("decode"):
            video = await services.codec.run(
                partial(_open, data, max_pixels), time.monotonic() + timeout_s
            )
        file = cls(services, story, video, timeout_s)
        try:
            yield file
        finally:
            with anyio.CancelScope(shield=True):
                await file.aclose()

    def __aiter__(self) -> Self:
        """Go on with the next frame."""
        return self

    async def __anext__(self) -> VideoFrame:
        """Return the next frame, and begin to decode the one behind it.

        Raises:
            ServiceError: see `Video.read`.
        """
        if self._next is None:
            self._next = asyncio.ensure_future(self._decode())
        with self._story.timed("decode"):
            frame = await asyncio.shield(self._next)  # a caller that leaves stops no thread
        if frame is None:
            raise StopAsyncIteration
        self._next = asyncio.ensure_future(self._decode())
        return frame

    async def aclose(self) -> None:
        """Let the video go, once no thread is busy with it."""
        if self._next is not None:
            await asyncio.wait([self._next])
            self._next.exception()  # taken: nobody will ask for this frame
        self.video.close()

    async def _decode(self) -> VideoFrame | None:
        deadline = time.monotonic() + self._timeout_s
        return await self._services.codec.run(partial(self.video.read, deadline), deadline)


def _open(data: bytes, max_pixels: int) -> Video:
    check_index(data)
    return Video(BytesIO(data), max_pixels)
