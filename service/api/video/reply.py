"""The way of a video through `POST /track`: read, opened, admitted, answered line by line.

What fails before the first line is a problem with its status; from then on the last line tells.
"""

import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from types import MappingProxyType
from typing import Any

import anyio
from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api import problems, record
from service.api.dependencies import Services
from service.api.inputs import merge_options, read_video
from service.api.negotiation import NDJSON
from service.api.record import RequestRecord
from service.api.sessions import tracks
from service.api.sessions.options import VideoOptions
from service.api.sessions.tracks import Followed
from service.api.sessions.work import SessionWork
from service.api.video.file import VideoFile
from service.api.video.frames import VideoFrame
from service.api.video.lines import Lines, SlowReader, Tally
from service.engine.admission import Ticket
from service.engine.sessions.records import Detect, FrameAnswer, NewObject, Opened
from service.errors import ServiceError

_HEADERS = {"x-accel-buffering": "no"}  # a proxy shall pass each line on as it comes


async def follow_video(request: Request, services: Services) -> "VideoReply":
    """Return the reply for the video of a request.

    Raises:
        ServiceError: see `Engine.find`, `Sessions.check_room`, `read_video` and `merge_options`.
    """
    services.engine.find("track")  # an upload nobody could answer is not let in
    services.engine.sessions.check_room()
    upload = await read_video(request)
    options = merge_options(VideoOptions, request.query_params.multi_items(), upload.options)
    return VideoReply(services, record.of(request.scope), upload.content, options)


class VideoReply(Response):
    """Follows objects while it is sent: for a client that does not read, nothing is done.

    The session that does it ends with the reply, whatever ends that.

    Args:
        services: of this process.
        story: of the request.
        data: the video file.
        options: of the request.
    """

    media_type = NDJSON

    def __init__(
        self, services: Services, story: RequestRecord, data: bytes, options: VideoOptions
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._services = services
        self._sessions = services.engine.sessions
        self._story = story
        self._data = data
        self._options = options
        self._timeout_s = min(services.settings.deadline_s, options.timeout_s or math.inf)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the video.

        Raises:
            ServiceError: before anything is sent.
        """
        del scope, receive
        opened = VideoFile.opened(self._services, self._story, self._data, self._timeout_s)
        try:
            async with opened as file:
                await self._answer(file, send)
        except SlowReader:
            self._story.reason = "slow-reader"

    async def _answer(self, file: VideoFile, send: Send) -> None:
        """Open a session at the first frame and follow to the last; see `Lines.send`."""
        work, video = self._work(), file.video
        height, width = video.frame_size
        told = await work.in_thread("decode", partial(self._options.to_engine, (height, width)))
        model = self._sessions.choose(self._options.model, told)
        self._story.model = model.name
        with self._services.engine.admit(model.name, height * width, work.deadline) as ticket:
            first = await anext(file)
            async with self._session(ticket, first, told) as opened:
                lines = Lines(send, self.raw_headers, opened.status.limits.idle_s)
                tally = Tally(opened.answer, self._story.request_id)
                claims = {"frames": video.frame_count, "duration_s": video.duration_s}
                more = {**tracks.life(opened.status), "video": claims}
                await lines.send(await self._encode(work, first, opened.answer, more))
                tally.count(first, opened.answer)
                problem = await self._follow(file, ticket, lines, tally)
        await lines.send(tally.to_json(problem), is_last=True)

    @asynccontextmanager
    async def _session(
        self, ticket: Ticket, first: VideoFrame, told: Sequence[NewObject] | Detect
    ) -> AsyncIterator[Opened]:
        """A session that ends with the block."""
        opened = await self._sessions.open(ticket, first.pixels, told)
        try:
            yield opened
        finally:
            with anyio.CancelScope(shield=True), suppress(ServiceError):  # it may have ended
                await self._sessions.close(opened.status.id)

    async def _follow(
        self, file: VideoFile, ticket: Ticket, lines: Lines, tally: Tally
    ) -> dict[str, Any] | None:
        """Send a line for each further frame; return the problem that ended it early."""
        try:
            async for frame in file:
                work = self._work()
                answer = await self._sessions.advance(
                    ticket.until(work.deadline), tally.session_id, frame.pixels, tally.frames
                )
                await lines.send(await self._encode(work, frame, answer))
                tally.count(frame, answer)
        except ServiceError as error:
            self._story.reason = problems.lookup(error).code
            return problems.describe(error, self._story.request_id)
        return None

    async def _encode(
        self,
        work: SessionWork,
        frame: VideoFrame,
        answer: FrameAnswer,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> bytes:
        """The line of a frame."""
        work.tell(answer)
        followed = Followed(frame.pixels, answer, self._story.request_id)
        members = {"time_s": round(frame.time_s, 6), **more}
        to_json = partial(tracks.to_json, followed, self._options.mask_format, members)
        return await work.in_thread("encode", to_json)

    def _work(self) -> SessionWork:
        """What is done for one frame, from now on."""
        return SessionWork(self._services, self._story, time.monotonic() + self._timeout_s)
