"""The client that waits in its caller's thread."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from service.client import asks
from service.client.asks import Video
from service.client.errors import MaskdError
from service.client.exchange import TIMEOUT_S, Ask, Exchange, Outcome, Wait
from service.client.options import DetectOptions, SegmentOptions, SemanticOptions, TrackOptions
from service.client.pictures import Picture
from service.client.prompts import Detect, NewObject
from service.client.replies import DetectReply, Model, SegmentReply, SemanticReply
from service.client.retry import NEVER, Patience, Retry
from service.client.session_replies import FrameReply, OpenedReply, SessionReply
from service.client.streaming import IN_FLIGHT, Policy
from service.client.sync_stream import Stream
from service.client.sync_video import VideoSteps
from service.client.tracking import Tracking
from service.client.video import is_open
from service.client.wire import Address

T = TypeVar("T")


class Client:
    """A service at a URL. Threads may share one; close it, or use it in a `with` block.

    All that it is asked raises `MaskdError`; which one, its class tells.

    Args:
        url: where the service is, as `http://127.0.0.1:8000`.
        retry: how often and how long to try again where that may help.
        timeout_s: of connecting, of sending and of waiting for an answer, each.
        headers: sent with every request.
        transport: httpx's, for tests and odd ways to a service.
    """

    def __init__(
        self,
        url: str,
        *,
        retry: Retry | None = None,
        timeout_s: float = TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._retry = retry or Retry()
        self._http = httpx.Client(
            base_url=url, timeout=timeout_s, headers=headers, transport=transport
        )

    def segment(self, picture: Picture, **options: Unpack[SegmentOptions]) -> SegmentReply:
        """Return the instances of a picture, best first."""
        return self.run(asks.segment(picture, options))

    def semantic(self, picture: Picture, **options: Unpack[SemanticOptions]) -> SemanticReply:
        """Return the categories of a picture."""
        return self.run(asks.semantic(picture, options))

    def detect(self, picture: Picture, **options: Unpack[DetectOptions]) -> DetectReply:
        """Return the boxes of a picture's objects, best first."""
        return self.run(asks.detect(picture, options))

    def models(self) -> tuple[Model, ...]:
        """Return what is loaded; of each task the first is the default."""
        return self.run(asks.models()).models

    def sessions(self) -> tuple[SessionReply, ...]:
        """Return the sessions that are open, whoever opened them; the oldest first."""
        return self.run(asks.sessions()).sessions

    def track(
        self,
        first_frame: Picture,
        objects: Sequence[NewObject] | Detect,
        **options: Unpack[TrackOptions],
    ) -> "Session":
        """Return a session that follows objects; close it, or use it in a `with` block."""
        opened = self.run(asks.open_session(first_frame, objects, options))
        return Session(self, opened, options)

    def track_video(
        self,
        video: Video,
        objects: Sequence[NewObject] | Detect,
        **options: Unpack[TrackOptions],
    ) -> VideoSteps:
        """Return the steps of objects through a video, as the service takes them.

        Close them, or use them in a `with` block: the service stops then.
        """
        ask = asks.track_video(video, objects, options)
        exchange = Exchange(ask, self._retry, time.monotonic)
        while not is_open(outcome := self._begin(ask)):
            if isinstance(answer := exchange.take(outcome), Wait):
                time.sleep(answer.seconds)
        return VideoSteps(outcome)

    def run(self, ask: Ask[T], *, retry: Retry | None = None) -> T:
        """Send a request until its outcome is final, and return the reply."""
        exchange = Exchange(ask, retry or self._retry, time.monotonic)
        while isinstance(answer := exchange.take(self._send(ask)), Wait):
            time.sleep(answer.seconds)
        return answer

    def new_patience(self) -> Patience:
        """Return the patience that one call has."""
        return Patience(self._retry, time.monotonic)

    def stream_address(self, session_id: str) -> Address:
        """Return where the streams of a session are."""
        return Address.of(self._http, session_id)

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, ask: Ask[T]) -> Outcome:
        try:
            return self._http.request(ask.method, ask.path, **ask.sent)
        except httpx.RequestError as error:
            return error

    def _begin(self, ask: Ask[T]) -> Outcome:
        """Send a request whose reply, if it is none of failure, is still to be read."""
        try:
            request = self._http.build_request(ask.method, ask.path, **ask.sent)
            reply = self._http.send(request, stream=True)
            if not is_open(reply):
                reply.read()
        except httpx.RequestError as error:
            return error
        return reply


class Session(Tracking):
    """Objects that are followed from frame to frame; made by `Client.track`.

    A frame whose answer was lost on the way is sent again under its index, so a broken connection
    loses nothing.
    """

    def __init__(self, client: Client, opened: OpenedReply, options: Mapping[str, Any]) -> None:
        super().__init__(opened, options)
        self._client = client

    def step(self, frame: Picture) -> FrameReply:
        """Return where the objects are on the next frame."""
        return self._took(self._client.run(self._ask_step(frame)))

    def stream(
        self,
        frames: Iterable[Picture],
        *,
        policy: Policy = "all",
        in_flight: int = IN_FLIGHT,
    ) -> Stream:
        """Return the replies to frames, which go over one WebSocket while others are answered.

        Broken connections are made anew by the patience of `retry`; a frame that had been followed
        counts once. Where the service could not be asked again, the session stands at `last`.

        Args:
            frames: the next ones; they are taken as there is room for them.
            policy: `all`: every frame is answered; `latest`: for live cameras, frames that come too
                fast are passed over.
            in_flight: the most frames that are sent before they are answered, under `all`.
        """
        course = self._course(policy, in_flight, self._client.new_patience)
        address = self._client.stream_address(self.id)
        return Stream(course, frames, address, self._look)

    def tell(self, objects: Sequence[NewObject]) -> SessionReply:
        """Follow further objects from the current frame on, or correct known ones there."""
        return self._client.run(self._ask_tell(objects))

    def drop(self, object_id: int) -> SessionReply:
        """Follow an object no longer."""
        return self._client.run(self._ask_drop(object_id))

    def state(self) -> SessionReply:
        """Return how the session stands; looking does not prolong its life."""
        return self._client.run(self._ask_state())

    def close(self) -> None:
        """Let the service forget the session."""
        self._client.run(self._ask_close())

    def _look(self) -> SessionReply:
        return self._client.run(self._ask_state(), retry=NEVER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(MaskdError):  # it expires by itself
            self._client.run(self._ask_close(), retry=NEVER)
