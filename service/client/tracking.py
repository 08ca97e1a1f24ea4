"""What a session knows of itself, whoever waits for its answers."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from service.client import asks
from service.client.exchange import Ask
from service.client.options import to_query
from service.client.pictures import Picture
from service.client.prompts import NewObject
from service.client.session_replies import FrameReply, OpenedReply, SessionReply
from service.client.streaming import Course, NewPatience, Policy

Reply = TypeVar("Reply", bound=FrameReply)


class Tracking:
    """A session's own side: its id, how far it is, what it saw last.

    State: `last`, set as answers come.

    Args:
        opened: the reply that opened it.
        options: with which it was opened; all but the model are sent with every frame.

    Attributes:
        opened: the reply that opened it, with the objects on its first frame.
        last: the newest answer.
    """

    def __init__(self, opened: OpenedReply, options: Mapping[str, Any]) -> None:
        self.opened = opened
        self.last: FrameReply = opened
        self._options = {name: value for name, value in options.items() if name != "model"}

    @property
    def id(self) -> str:
        """What the service calls the session."""
        return self.opened.session_id

    @property
    def frame_index(self) -> int:
        """Index of the last frame answered; 0 is the first."""
        return self.last.frame_index

    def _ask_step(self, frame: Picture) -> Ask[FrameReply]:
        return asks.step(self.id, frame, self.frame_index + 1, self._options)

    def _ask_tell(self, objects: Sequence[NewObject]) -> Ask[SessionReply]:
        return asks.tell_objects(self.id, objects)

    def _ask_drop(self, object_id: int) -> Ask[SessionReply]:
        return asks.drop_object(self.id, object_id)

    def _ask_close(self) -> Ask[None]:
        return asks.close_session(self.id)

    def _ask_state(self) -> Ask[SessionReply]:
        return asks.session(self.id)

    def _course(self, policy: Policy, in_flight: int, new_patience: NewPatience) -> Course:
        """The way of a stream from the next frame on."""
        query = to_query({**self._options, "policy": policy})
        return Course(self.frame_index, query, in_flight, new_patience, self._took)

    def _took(self, reply: Reply) -> Reply:
        self.last = reply
        return reply
