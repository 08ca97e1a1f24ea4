"""What is done to a session, whichever way a frame or an edit came: as a request or in a stream."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from service.api.dependencies import Services
from service.api.encoded import EncodedPicture
from service.api.record import RequestRecord
from service.api.sessions import objects
from service.api.sessions.options import EditOptions
from service.api.sessions.tracks import Followed
from service.engine.sessions.records import FrameAnswer, SessionStatus

Result = TypeVar("Result")
Turn = AbstractAsyncContextManager[None]


@dataclass(frozen=True)
class SessionWork:
    """One frame's or one edit's way through the service.

    Attributes:
        services: of this process.
        story: where the time is written down.
        deadline: monotonic seconds.
    """

    services: Services
    story: RequestRecord
    deadline: float

    @asynccontextmanager
    async def advance(
        self,
        data: bytes,
        status: SessionStatus,
        frame_index: int | None = None,
        turn: Turn | None = None,
    ) -> AsyncIterator[Followed]:
        """Take a session to a frame; room for the frame is held as long as the block runs.

        Args:
            data: the encoded frame.
            status: of the session.
            frame_index: of the frame; None: the next one.
            turn: entered once the frame is decoded, left when the session has moved.

        Raises:
            ServiceError: see `EncodedPicture`, `Engine.admit` and `Sessions.advance`.
        """
        engine = self.services.engine
        picture = EncodedPicture(self.services, self.story, data, self.deadline)
        header = await picture.probe()
        pixels = header.width * header.height
        await engine.sessions.inspect(status.id)  # it may have ended, with its model, meanwhile
        with engine.admit(status.model, pixels, self.deadline) as ticket:
            frame = await picture.decode(header)
            async with turn or nullcontext():
                answer = await engine.sessions.advance(ticket, status.id, frame, frame_index)
            self.tell(answer)
            yield Followed(frame, answer, self.story.request_id)

    async def edit(
        self, options: EditOptions, status: SessionStatus, turn: Turn | None = None
    ) -> SessionStatus:
        """Follow more objects, or known ones as they are told anew, and return the session.

        Args:
            options: the objects.
            status: of the session.
            turn: see `advance`.

        Raises:
            InvalidOptions: one is not on such a frame.
            ServiceError: see `Engine.admit` and `Sessions.add_objects`.
        """
        engine = self.services.engine
        height, width = status.frame_size
        told = partial(objects.to_new_objects, options.objects, status.frame_size)
        await engine.sessions.inspect(status.id)
        with engine.admit(status.model, height * width, self.deadline) as ticket:
            new_objects = await self.in_thread("decode", told)
            async with turn or nullcontext():
                return await engine.sessions.add_objects(ticket, status.id, new_objects)

    async def in_thread(self, phase: str, work: Callable[[], Result]) -> Result:
        """Return what `work` returns, run in a codec thread as part of a phase."""
        with self.story.timed(phase):
            return await self.services.codec.run(work, self.deadline)

    def tell(self, answer: FrameAnswer) -> None:
        """Write down what the engine measured."""
        self.story.batch_size = answer.timing.batch_size
        self.story.timings["queue"] = answer.timing.queue_wait_s
        self.story.timings["infer"] = answer.timing.run_s
