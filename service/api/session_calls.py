"""The way of a request to a session: checked before its body is read, read, admitted, answered."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from fastapi import Request
from starlette.responses import Response

from service.api import objects, record, tracks
from service.api.dependencies import Services
from service.api.encoded import EncodedPicture
from service.api.inputs import merge_options, read_members, read_upload, validate
from service.api.negotiation import JSON, PNG, prefers_png
from service.api.session_options import EditOptions, FollowOptions, FrameOptions, OpenOptions
from service.api.tracks import Followed
from service.engine.sessions.records import (
    Detect,
    FrameAnswer,
    NewObject,
    SessionStatus,
)
from service.errors import UnsupportedMediaType

Options = TypeVar("Options", bound=FollowOptions)
Result = TypeVar("Result")


class SessionCalls:
    """What the routes of sessions do, for one request.

    Args:
        request: whose body was not yet read.
        services: of this process.
    """

    def __init__(self, request: Request, services: Services) -> None:
        self._request = request
        self._services = services
        self._sessions = services.engine.sessions
        self._story = record.of(request.scope)
        self._deadline = self._story.started + services.settings.deadline_s

    async def open(self) -> Response:
        """Open a session at the picture of the request."""
        self._services.engine.find("track")  # an upload nobody could answer is not let in
        self._sessions.check_room()
        options, picture = await self._receive(OpenOptions)
        header = await picture.probe()
        size = (header.height, header.width)
        new_objects = await self._in_thread(partial(_new_objects, options, size))
        model = self._sessions.choose(options.model, new_objects)
        self._story.model = model.name
        pixels = header.width * header.height
        with self._services.engine.admit(model.name, pixels, self._deadline) as ticket:
            frame = await picture.decode(header)
            opened = await self._sessions.open(ticket, frame, new_objects)
            self._tell(opened.answer)
            followed = Followed(frame, opened.answer, self._story.request_id)
            body = await self._render(
                partial(tracks.to_json, followed, opened.status, options.mask_format)
            )
        where = f"/sessions/{opened.status.id}"
        return Response(body, 201, headers={"location": where}, media_type=JSON)

    async def advance(self, session_id: str) -> Response:
        """Take a session to the frame of the request."""
        status = await self._sessions.inspect(session_id)
        self._story.model = status.model
        options, picture = await self._receive(FrameOptions)
        header = await picture.probe()
        pixels = header.width * header.height
        with self._services.engine.admit(status.model, pixels, self._deadline) as ticket:
            frame = await picture.decode(header)
            answer = await self._sessions.advance(ticket, session_id, frame, options.frame_index)
            self._tell(answer)
            followed = Followed(frame, answer, self._story.request_id)
            if prefers_png(self._request.headers.get("accept", "")):
                drawn = await self._render(partial(tracks.to_png, followed))
                return Response(drawn, media_type=PNG)
            body = await self._render(partial(tracks.to_json, followed, None, options.mask_format))
        return Response(body, media_type=JSON)

    async def add_objects(self, session_id: str) -> SessionStatus:
        """Follow the objects that the body tells of, and return the session."""
        status = await self._sessions.inspect(session_id)
        self._story.model = status.model
        kind = self._request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            raise UnsupportedMediaType(f"The objects come as {JSON}.")
        body = await self._request.body()
        members = await self._in_thread(partial(read_members, body))
        options = validate(EditOptions, members)
        told = partial(objects.to_new_objects, options.objects, status.frame_size)
        height, width = status.frame_size
        with self._services.engine.admit(status.model, height * width, self._deadline) as ticket:
            return await self._sessions.add_objects(ticket, session_id, await self._in_thread(told))

    async def remove_object(self, session_id: str, object_id: int) -> SessionStatus:
        """Follow an object no longer, and return the session."""
        return await self._sessions.remove_objects(session_id, [object_id], self._deadline)

    async def _receive(self, model: type[Options]) -> tuple[Options, EncodedPicture]:
        """The options and the picture of the request; its own deadline counts from here on."""
        upload = await read_upload(self._request, self._services.codec, self._deadline)
        options = merge_options(model, self._request.query_params.multi_items(), upload.options)
        if options.timeout_s is not None:
            self._deadline = min(self._deadline, self._story.started + options.timeout_s)
        return options, EncodedPicture(self._services, self._story, upload.image, self._deadline)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        with self._story.timed("decode"):
            return await self._services.codec.run(work, self._deadline)

    async def _render(self, work: Callable[[], bytes]) -> bytes:
        with self._story.timed("encode"):
            return await self._services.codec.run(work, self._deadline)

    def _tell(self, answer: FrameAnswer) -> None:
        """Write down what the engine measured."""
        self._story.batch_size = answer.timing.batch_size
        self._story.timings["queue"] = answer.timing.queue_wait_s
        self._story.timings["infer"] = answer.timing.run_s


def _new_objects(options: OpenOptions, size: objects.Size) -> list[NewObject] | Detect:
    if options.detect is not None:
        return options.detect.to_engine()
    return objects.to_new_objects(options.objects or (), size)
