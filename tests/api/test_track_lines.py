"""The last line of a video: what became of each object."""

import json
from types import SimpleNamespace
from typing import Any

from service.api.video.lines import Tally


def answer(labels: dict[int, str | None], *visible: int) -> Any:
    objects = [SimpleNamespace(id=one, is_visible=one in visible) for one in labels]
    return SimpleNamespace(session_id="s", model="m", labels=labels, objects=objects)


def test_frames_are_counted_on_which_an_object_is_seen_also_of_one_that_was_dropped() -> None:
    answers = [answer({1: "one", 2: None}, 1), answer({1: "one", 2: None}, 1, 2), answer({2: None})]
    tally = Tally(answers[0], "r")
    for number, one in enumerate(answers):
        tally.count(SimpleNamespace(end_s=number + 1.0), one)
    assert json.loads(tally.to_json(None))["summary"] == {
        "frames": 3,
        "duration_s": 3.0,
        "objects": [
            {"id": 1, "label": "one", "frames_visible": 2},
            {"id": 2, "label": None, "frames_visible": 1},
        ],
    }
