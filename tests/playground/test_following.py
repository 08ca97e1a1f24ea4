"""A session's stream as the page hears it: answers, dropped frames, breaks, refusals."""

from typing import Any

import pytest
from playwright.sync_api import Page

# A session that stands at frame 0, a socket that a test speaks for, and what the page was told.
BEGIN = """async (isLive) => {
  class Socket extends EventTarget {
    static OPEN = 1;
    readyState = 1;
    sent = [];
    constructor(url) {
      super();
      this.url = String(url);
      sockets.push(this);
      setTimeout(() => this.dispatchEvent(new Event("open")));
    }
    send(data) { this.sent.push(data); }
    close() {}
    say(answer) {
      this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(answer) }));
    }
    end(code) { this.dispatchEvent(new CloseEvent("close", { code })); }
  }
  Object.assign(window, { WebSocket: Socket, sockets: [], told: [] });
  const { Following } = await import(new URL("static/js/video/following.js", location.href).href);
  const following = await Following.begin({ blob: new Blob(["0"]) }, {}, isLive);
  following.onAnswer = ({ blob }, answer) => told.push([blob, answer.frame_index]);
  following.onProblem = (problem, canResume) => told.push([problem.title, canResume]);
  window.following = following;
}"""
SEND = "names => names.forEach(blob => following.send({ blob }))"
SAY = "answers => answers.forEach(answer => sockets.at(-1).say(answer))"
EDIT = """() => {
  following.edit([{ id: 1 }]).then(
    (answer) => told.push(["edited", answer.frame_index]), (problem) => told.push([problem.title]),
  );
}"""


@pytest.fixture
def reached() -> dict[str, int]:
    """How far the service says that the session is."""
    return {"frame_index": 0}


def begin(page: Page, reached: dict[str, int], *, is_live: bool = False) -> None:
    opened = {"session_id": "s", "frame_index": 0}
    page.route("**/sessions", lambda route: route.fulfill(json=opened))
    page.route("**/sessions/s", lambda route: route.fulfill(json=reached))
    page.evaluate(BEGIN, is_live)


def told(page: Page) -> list[Any]:
    return page.evaluate("told.splice(0)")


def test_frames_that_were_dropped_get_no_answer(page: Page, reached: dict[str, int]) -> None:
    begin(page, reached, is_live=True)
    assert page.evaluate("sockets[0].url").endswith("/sessions/s/stream?policy=latest")
    page.evaluate(SEND, ["a", "b", "c"])
    page.evaluate(EDIT)
    page.evaluate(SEND, ["d"])
    page.evaluate(
        SAY,
        [
            {"frame_index": 1, "dropped": 0},
            {"frame_index": 1, "dropped": 2},
            {"frame_index": 2, "dropped": 0},
        ],
    )
    assert told(page) == [["a", 1], ["d", 2], ["edited", 1]]


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ([{"frame_index": 3}, {"frame_index": 4}], [["c", 3], ["d", 4]]),
        (
            [{"code": "frame-out-of-order", "expected_frame_index": 4}, {"frame_index": 4}],
            [["d", 4]],
        ),
    ],
    ids=["at once", "it went on meanwhile"],
)
def test_a_broken_stream_goes_on_behind_what_the_session_reached(
    page: Page, reached: dict[str, int], said: list[Any], heard: list[Any]
) -> None:
    begin(page, reached)
    page.evaluate(SEND, ["a", "b", "c", "d"])
    page.evaluate(EDIT)
    page.evaluate(SAY, [{"frame_index": 1}])
    page.evaluate("sockets[0].end(1006)")
    assert told(page) == [["a", 1], ["The connection broke", True], ["The correction was lost"]]
    reached["frame_index"] = 3  # the answers to b and c broke off
    page.evaluate("following.resume()")
    assert page.evaluate("sockets[1].url").endswith("?policy=all&frame_index=3")
    assert page.evaluate("sockets[1].sent") == ["c", "d"]
    page.evaluate(SAY, said)
    assert told(page) == heard


def test_what_is_refused_is_told_to_whom_it_concerns(page: Page, reached: dict[str, int]) -> None:
    begin(page, reached)
    refusal = {"title": "No", "detail": "Really.", "code": "invalid-options"}
    page.evaluate(EDIT)
    page.evaluate(SAY, [refusal])
    assert told(page) == [["No"]]
    page.evaluate(SEND, ["a"])
    page.evaluate(SAY, [refusal])
    page.evaluate("sockets[0].end(4422)")
    assert told(page) == [["No", False]]


def test_a_session_whose_stream_cannot_be_opened_is_ended(
    page: Page, reached: dict[str, int]
) -> None:
    begin(page, reached)
    page.evaluate("""() => {
      const close = () => sockets.at(-1).end(1006);
      window.WebSocket = class extends WebSocket {
        constructor(url) { super(url); queueMicrotask(close); }
      };
    }""")
    with page.expect_request(lambda request: request.method == "DELETE"):
        refused = page.evaluate("""async () => {
          const again = following.constructor.begin({ blob: new Blob(["0"]) }, {}, false);
          return again.catch(({ title }) => title);
        }""")
    assert refused == "The stream cannot be opened"
