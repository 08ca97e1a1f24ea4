"""The way of a request to a session: checked before its body is read, read, admitted, answered."""

from functools import partial
from typing import TypeVar

from fastapi import Request
from starlette.responses import Response

from service.api import record
from service.api.dependencies import Services
from service.api.encoded import EncodedPicture
from service.api.inputs import merge_options, read_members, read_upload, validate
from service.api.negotiation import JSON, PNG, prefers_png
from service.api.sessions import tracks
from service.api.sessions.options import EditOptions, FollowOptions, FrameOptions, OpenOptions
from service.api.sessions.tracks import Followed
from service.api.sessions.work import SessionWork
from service.engine.sessions.records import SessionStatus
from service.errors import UnsupportedMediaType

Options = TypeVar("Options", bound=FollowOptions)


class SessionCalls:
    """What the routes of sessions do, for one request.

    State: `_work`, whose deadline is the request's own once its options are read.

    Args:
        request: whose body was not yet read.
        services: of this process.
    """

    def __init__(self, request: Request, services: Services) -> None:
        self._request = request
        self._services = services
        self._sessions = services.engine.sessions
        self._story = record.of(request.scope)
        deadline = self._story.started + services.settings.deadline_s
        self._work = SessionWork(services, self._story, deadline)

    async def open(self) -> Response:
        """Open a session at the picture of the request."""
        self._services.engine.find("track")  # an upload nobody could answer is not let in
        self._sessions.check_room()
        options, data = await self._receive(OpenOptions)
        work = self._work
        picture = EncodedPicture(self._services, self._story, data, work.deadline)
        header = await picture.probe()
        size = (header.height, header.width)
        told = partial(options.to_engine, size)
        new_objects = await work.in_thread("decode", told)
        model = self._sessions.choose(options.model, new_objects)
        self._story.model = model.name
        pixels = header.width * header.height
        with self._services.engine.admit(model.name, pixels, work.deadline) as ticket:
            frame = await picture.decode(header)
            opened = await self._sessions.open(ticket, frame, new_objects)
            work.tell(opened.answer)
            followed = Followed(frame, opened.answer, self._story.request_id)
            life = tracks.life(opened.status)
            to_json = partial(tracks.to_json, followed, options.mask_format, life)
            body = await work.in_thread("encode", to_json)
        where = f"/sessions/{opened.status.id}"
        return Response(body, 201, headers={"location": where}, media_type=JSON)

    async def advance(self, session_id: str) -> Response:
        """Take a session to the frame of the request."""
        status = await self._inspect(session_id)
        options, data = await self._receive(FrameOptions)
        work = self._work
        async with work.advance(data, status, options.frame_index) as followed:
            if prefers_png(self._request.headers.get("accept", "")):
                drawn = await work.in_thread("encode", partial(tracks.to_png, followed))
                return Response(drawn, media_type=PNG)
            to_json = partial(tracks.to_json, followed, options.mask_format)
            body = await work.in_thread("encode", to_json)
        return Response(body, media_type=JSON)

    async def add_objects(self, session_id: str) -> SessionStatus:
        """Follow the objects that the body tells of, and return the session."""
        status = await self._inspect(session_id)
        kind = self._request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            raise UnsupportedMediaType(f"The objects come as {JSON}.")
        body = await self._request.body()
        members = await self._work.in_thread("decode", partial(read_members, body))
        return await self._work.edit(validate(EditOptions, members), status)

    async def remove_object(self, session_id: str, object_id: int) -> SessionStatus:
        """Follow an object no longer, and return the session."""
        deadline = self._work.deadline
        return await self._sessions.remove_objects(session_id, [object_id], deadline)

    async def _inspect(self, session_id: str) -> SessionStatus:
        status = await self._sessions.inspect(session_id)
        self._story.model = status.model
        return status

    async def _receive(self, model: type[Options]) -> tuple[Options, bytes]:
        """The options and the picture of the request; its own deadline counts from here on."""
        deadline = self._work.deadline
        upload = await read_upload(self._request, self._services.codec, deadline)
        options = merge_options(model, self._request.query_params.multi_items(), upload.options)
        if options.timeout_s is not None:
            deadline = min(deadline, self._story.started + options.timeout_s)
            self._work = SessionWork(self._services, self._story, deadline)
        return options, upload.content
