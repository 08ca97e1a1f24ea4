"""The client that waits on an event loop; the twin of `sync_client`, which says the rest.

Pictures are read and encoded in threads, off the loop.
"""

import time
from asyncio import sleep, to_thread
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from service.client import asks
from service.client.asks import Video
from service.client.async_stream import AsyncStream
from service.client.async_video import AsyncVideoSteps
from service.client.errors import MaskdError
from service.client.exchange import TIMEOUT_S, Ask, Exchange, Outcome, Wait
from service.client.options import DetectOptions, SegmentOptions, SemanticOptions, TrackOptions
from service.client.pictures import Picture
from service.client.prompts import Detect, NewObject
from service.client.replies import DetectReply, Model, SegmentReply, SemanticReply
from service.client.retry import NEVER, Patience, Retry
from service.client.session_replies import FrameReply, OpenedReply, SessionReply
from service.client.streaming import IN_FLIGHT, Policy
from service.client.tracking import Tracking
from service.client.video import is_open
from service.client.wire import Address

T = TypeVar("T")


class AsyncClient:
    """A service at a URL. Close it, or use it in an `async with` block.

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._retry = retry or Retry()
        self._http = httpx.AsyncClient(
            base_url=url, timeout=timeout_s, headers=headers, transport=transport
        )

    async def segment(self, picture: Picture, **options: Unpack[SegmentOptions]) -> SegmentReply:
        """Return the instances of a picture, best first."""
        return await self.run(await to_thread(asks.segment, picture, options))

    async def semantic(self, picture: Picture, **options: Unpack[SemanticOptions]) -> SemanticReply:
        """Return the categories of a picture."""
        return await self.run(await to_thread(asks.semantic, picture, options))

    async def detect(self, picture: Picture, **options: Unpack[DetectOptions]) -> DetectReply:
        """Return the boxes of a picture's objects, best first."""
        return await self.run(await to_thread(asks.detect, picture, options))

    async def models(self) -> tuple[Model, ...]:
        """Return what is loaded; of each task the first is the default."""
        return (await self.run(asks.models())).models

    async def sessions(self) -> tuple[SessionReply, ...]:
        """Return the sessions that are open, whoever opened them; the oldest first."""
        return (await self.run(asks.sessions())).sessions

    async def track(
        self,
        first_frame: Picture,
        objects: Sequence[NewObject] | Detect,
        **options: Unpack[TrackOptions],
    ) -> "AsyncSession":
        """Return a session that follows objects; close it, or use it in an `async with` block."""
        ask = await to_thread(asks.open_session, first_frame, objects, options)
        opened = await self.run(ask)
        return AsyncSession(self, opened, options)

    async def track_video(
        self,
        video: Video,
        objects: Sequence[NewObject] | Detect,
        **options: Unpack[TrackOptions],
    ) -> AsyncVideoSteps:
        """Return the steps of objects through a video; use them in an `async with` block."""
        ask = await to_thread(asks.track_video, video, objects, options)
        exchange = Exchange(ask, self._retry, time.monotonic)
        while not is_open(outcome := await self._begin(ask)):
            if isinstance(answer := exchange.take(outcome), Wait):
                await sleep(answer.seconds)
        return AsyncVideoSteps(outcome)

    async def run(self, ask: Ask[T], *, retry: Retry | None = None) -> T:
        """Send a request until its outcome is final, and return the reply."""
        exchange = Exchange(ask, retry or self._retry, time.monotonic)
        while isinstance(answer := exchange.take(await self._send(ask)), Wait):  # noqa: ASYNC110
            await sleep(answer.seconds)
        return answer

    def new_patience(self) -> Patience:
        """Return the patience that one call has."""
        return Patience(self._retry, time.monotonic)

    def stream_address(self, session_id: str) -> Address:
        """Return where the streams of a session are."""
        return Address.of(self._http, session_id)

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _send(self, ask: Ask[T]) -> Outcome:
        try:
            return await self._http.request(ask.method, ask.path, **ask.sent)
        except httpx.RequestError as error:
            return error

    async def _begin(self, ask: Ask[T]) -> Outcome:
        try:
            request = self._http.build_request(ask.method, ask.path, **ask.sent)
            reply = await self._http.send(request, stream=True)
            if not is_open(reply):
                await reply.aread()
        except httpx.RequestError as error:
            return error
        return reply


class AsyncSession(Tracking):
    """Objects that are followed from frame to frame; made by `AsyncClient.track`.

    A frame whose answer was lost on the way is sent again under its index, so a broken connection
    loses nothing.
    """

    def __init__(
        self, client: AsyncClient, opened: OpenedReply, options: Mapping[str, Any]
    ) -> None:
        super().__init__(opened, options)
        self._client = client

    async def step(self, frame: Picture) -> FrameReply:
        """Return where the objects are on the next frame."""
        ask = await to_thread(self._ask_step, frame)
        return self._took(await self._client.run(ask))

    def stream(
        self,
        frames: AsyncIterable[Picture] | Iterable[Picture],
        *,
        policy: Policy = "all",
        in_flight: int = IN_FLIGHT,
    ) -> AsyncStream:
        """Return the replies to frames, which go over one WebSocket while others are answered.

        See `Session.stream`.
        """
        course = self._course(policy, in_flight, self._client.new_patience)
        address = self._client.stream_address(self.id)
        return AsyncStream(course, frames, address, self._look)

    async def tell(self, objects: Sequence[NewObject]) -> SessionReply:
        """Follow further objects from the current frame on, or correct known ones there."""
        return await self._client.run(await to_thread(self._ask_tell, objects))

    async def drop(self, object_id: int) -> SessionReply:
        """Follow an object no longer."""
        return await self._client.run(self._ask_drop(object_id))

    async def state(self) -> SessionReply:
        """Return how the session stands; looking does not prolong its life."""
        return await self._client.run(self._ask_state())

    async def aclose(self) -> None:
        """Let the service forget the session."""
        await self._client.run(self._ask_close())

    async def _look(self) -> SessionReply:
        return await self._client.run(self._ask_state(), retry=NEVER)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(MaskdError):  # it expires by itself
            await self._client.run(self._ask_close(), retry=NEVER)
