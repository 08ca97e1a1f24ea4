"""A whole video's reply, read in its caller's thread."""

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import httpx

from service.client.session_replies import VideoStep
from service.client.video import VideoReading, broke_off


class VideoSteps(VideoReading):
    """Objects on one frame of a video after the other; made by `Client.track_video`.

    Iterating raises `MaskdError` where the video ends early: `RequestFailed` with the service's
    problem, `Unreachable` where the reply breaks off.
    """

    def __init__(self, reply: httpx.Response) -> None:
        super().__init__()
        self._reply = reply

    def __iter__(self) -> Iterator[VideoStep]:
        """Give the steps, each as soon as the service has it; once only."""
        try:
            for line in self._reply.iter_lines():
                step = self._take(line)
                if step is None:
                    return
                yield step
        except httpx.RequestError as error:
            raise broke_off(error) from error
        raise broke_off()

    def close(self) -> None:
        """Read no further: the service stops."""
        self._reply.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
