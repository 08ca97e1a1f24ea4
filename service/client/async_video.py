"""A whole video's reply, read on an event loop; the twin of `sync_video`."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import httpx

from service.client.session_replies import VideoStep
from service.client.video import VideoReading, broke_off


class AsyncVideoSteps(VideoReading):
    """Objects on one frame of a video after the other; made by `AsyncClient.track_video`.

    Iterating raises `MaskdError` where the video ends early: `RequestFailed` with the service's
    problem, `Unreachable` where the reply breaks off.
    """

    def __init__(self, reply: httpx.Response) -> None:
        super().__init__()
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[VideoStep]:
        """Give the steps, each as soon as the service has it; once only."""
        try:
            async for line in self._reply.aiter_lines():
                step = self._take(line)
                if step is None:
                    return
                yield step
        except httpx.RequestError as error:
            raise broke_off(error) from error
        raise broke_off()

    async def aclose(self) -> None:
        """Read no further: the service stops."""
        await self._reply.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
