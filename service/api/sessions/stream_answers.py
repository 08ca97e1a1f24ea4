"""What a stream answers to a message: the frame or the session as JSON, or a problem."""

import json
import math
from functools import partial

from service.api import problems
from service.api.dependencies import Services
from service.api.inputs import read_members, validate
from service.api.record import RequestRecord
from service.api.sessions import tracks
from service.api.sessions.mailbox import Message, Place
from service.api.sessions.options import EditOptions, StreamOptions
from service.api.sessions.schemas import SessionReply
from service.api.sessions.work import SessionWork
from service.engine.sessions.records import SessionStatus
from service.errors import ServiceError


class StreamAnswers:
    """Makes the answers of one stream; each is JSON.

    Args:
        services: of this process.
        request_id: of the stream.
        options: of the stream.
        status: of its session.
    """

    def __init__(
        self, services: Services, request_id: str, options: StreamOptions, status: SessionStatus
    ) -> None:
        self._services = services
        self._request_id = request_id
        self._options = options
        self._status = status
        self._timeout_s = min(services.settings.deadline_s, options.timeout_s or math.inf)

    async def make(
        self, message: Message, dropped: int, place: Place, frame_index: int | None = None
    ) -> str:
        """Do what a message asks, and return the answer.

        Args:
            message: of the client.
            dropped: frames that were dropped before it.
            place: its turn with the session.
            frame_index: of a frame; None: it is the next one.

        Raises:
            Overloaded: all requests together hold as many bytes as they may.
            ServiceError: see `SessionWork`.
        """
        story = RequestRecord(self._request_id, started=message.arrived)
        work = SessionWork(self._services, story, message.arrived + self._timeout_s)
        more = self._more(dropped)
        with self._services.buffers.hold(len(message.content)):
            if isinstance(message.content, str):
                return await self._edit(work, message.content, more, place)
            turn = place.turn()
            following = work.advance(message.content, self._status, frame_index, turn)
            async with following as followed:
                to_json = partial(tracks.to_json, followed, self._options.mask_format, more)
                return (await work.in_thread("encode", to_json)).decode()

    def problem(self, error: ServiceError, dropped: int) -> str:
        """Return an error as the answer to a message."""
        return json.dumps(problems.describe(error, self._request_id) | self._more(dropped))

    async def _edit(self, work: SessionWork, text: str, more: dict[str, int], place: Place) -> str:
        members = await work.in_thread("decode", partial(read_members, text.encode()))
        options = validate(EditOptions, members)
        status = await work.edit(options, self._status, place.turn())
        reply = SessionReply.model_validate(tracks.describe(status))
        return json.dumps(reply.model_dump(mode="json") | more)

    def _more(self, dropped: int) -> dict[str, int]:
        return {"dropped": dropped} if self._options.policy == "latest" else {}
