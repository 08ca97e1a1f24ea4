"""One file over HTTP, against publishers in all moods."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from service.weights.download import Download, open_client, without_secrets
from service.weights.errors import DownloadError
from service.weights.pages import Page, direct
from tests.weights.publisher import CONFIRM, Publisher, publishing


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing(Publisher()) as running:
        yield running


def download(url: str, target: Path, pauses: list[float] | None = None) -> None:
    noted = [] if pauses is None else pauses
    with open_client() as client:
        Download(client, url, target, pause=noted.append).run()


def test_a_file_arrives_whole_and_nothing_stays_beside_it(
    tmp_path: Path, publisher: Publisher
) -> None:
    told: list[tuple[int, int | None]] = []
    with httpx.Client() as client:
        Download(client, publisher.url, tmp_path / "w", progress=lambda *at: told.append(at)).run()
    assert (tmp_path / "w").read_bytes() == publisher.content
    assert [path.name for path in tmp_path.iterdir()] == ["w"]
    size = len(publisher.content)
    assert told[0] == (0, size)
    assert told[-1] == (size, size)
    assert told == sorted(told)


def test_a_cut_connection_is_taken_up_where_it_was_cut(
    tmp_path: Path, publisher: Publisher
) -> None:
    publisher.cuts = [300_000, 100_000]
    download(publisher.url, tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == publisher.content
    assert publisher.asked == [
        ("/file", None),
        ("/file", "bytes=300000-"),
        ("/file", "bytes=400000-"),
    ]


def test_a_later_run_goes_on_where_the_last_one_was_stopped(
    tmp_path: Path, publisher: Publisher
) -> None:
    publisher.cuts = [300_000]
    publisher.statuses = []

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with httpx.Client() as client, pytest.raises(KeyboardInterrupt):
        Download(client, publisher.url, tmp_path / "w", pause=stop).run()
    assert not (tmp_path / "w").exists()
    download(publisher.url, tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == publisher.content
    assert publisher.asked[-1] == ("/file", "bytes=300000-")


def test_a_file_that_changed_in_between_is_fetched_from_its_beginning(
    tmp_path: Path, publisher: Publisher
) -> None:
    publisher.cuts = [300_000]

    def change(_: float) -> None:
        publisher.content, publisher.etag = publisher.content[::-1], '"two"'

    with httpx.Client() as client:
        Download(client, publisher.url, tmp_path / "w", pause=change).run()
    assert (tmp_path / "w").read_bytes() == publisher.content


@pytest.mark.parametrize(("has_ranges", "etag"), [(False, '"one"'), (True, ""), (True, 'W/"one"')])
def test_a_publisher_that_cannot_go_on_begins_anew(
    tmp_path: Path, publisher: Publisher, has_ranges: bool, etag: str
) -> None:
    publisher.has_ranges, publisher.etag, publisher.cuts = has_ranges, etag, [300_000]
    download(publisher.url, tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == publisher.content
    if etag != '"one"':  # nothing tells whether the file is still the same
        assert [wanted for _, wanted in publisher.asked] == [None, None]


def test_a_part_of_which_nothing_is_known_is_not_gone_on_with(
    tmp_path: Path, publisher: Publisher
) -> None:
    (tmp_path / "w.part").write_bytes(b"something else")
    download(publisher.url, tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == publisher.content
    assert publisher.asked == [("/file", None)]


def test_as_long_as_attempts_bring_it_further_there_may_be_many(
    tmp_path: Path, publisher: Publisher
) -> None:
    publisher.cuts = [1000] * 7
    download(publisher.url, tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == publisher.content


def test_a_part_that_is_longer_than_the_file_is_thrown_away(
    tmp_path: Path, publisher: Publisher
) -> None:
    (tmp_path / "w.part").write_bytes(b"x" * (len(publisher.content) + 1))
    (tmp_path / "w.part.json").write_text('{"validator": "\\"one\\""}')
    download(publisher.url, tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == publisher.content
    assert [wanted is None for _, wanted in publisher.asked] == [False, True]


def test_a_busy_publisher_is_asked_again_later(tmp_path: Path, publisher: Publisher) -> None:
    publisher.statuses, pauses = [503, 429], []
    download(publisher.url, tmp_path / "w", pauses)
    assert pauses == [1, 2]
    assert (tmp_path / "w").read_bytes() == publisher.content


def test_after_five_attempts_without_progress_it_gives_up(
    tmp_path: Path, publisher: Publisher
) -> None:
    publisher.statuses = [500] * 9
    with pytest.raises(DownloadError, match="cannot be fetched: it answers 500"):
        download(publisher.url, tmp_path / "w")
    assert len(publisher.asked) == 5


def test_nobody_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        DownloadError, match=r"http://127\.0\.0\.1:9/w cannot be fetched"
    ) as failure:
        download("http://127.0.0.1:9/w", tmp_path / "w")
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/w", "w.pth", ""])
def test_what_is_no_http_location_is_refused_at_once(tmp_path: Path, url: str) -> None:
    pauses: list[float] = []
    with pytest.raises(DownloadError):
        download(url, tmp_path / "w", pauses)
    assert pauses == []


def test_redirects_are_followed(tmp_path: Path, publisher: Publisher) -> None:
    download(publisher.url.replace("/file", "/moved"), tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == publisher.content


def answering(answers: Mapping[str, httpx.Response], asked: list[str]) -> httpx.MockTransport:
    """A network on which each URL has its answer, and every one that is asked is noted."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return answers[str(request.url)]

    return httpx.MockTransport(answer)


def redirect(location: str) -> httpx.Response:
    return httpx.Response(302, headers={"location": location})


@pytest.mark.parametrize(
    "first",
    [
        redirect("http://two.example/w?key=hush"),
        redirect("//one.example/two"),
        httpx.Response(200, html='<a id="uc-download-link" href="http://two.example/w">x</a>'),
    ],
    ids=["at once", "later", "page"],
)
def test_a_way_from_https_to_plain_http_is_refused_before_it_is_taken(
    tmp_path: Path, first: httpx.Response
) -> None:
    asked: list[str] = []
    answers = {
        "https://one.example/w?key=hush": first,
        "https://one.example/two": redirect("http://two.example/w"),
        "http://two.example/w": httpx.Response(200, content=b"changed on the way"),
    }
    with open_client(answering(answers, asked)) as client, pytest.raises(DownloadError) as refusal:
        Download(client, "https://one.example/w?key=hush", tmp_path / "w").run()
    assert "leads from https to plain http, to http://two.example/w: refused" in str(refusal.value)
    assert "hush" not in str(refusal.value)
    assert all(url.startswith("https://") for url in asked)
    assert list(tmp_path.iterdir()) == []


def served(tmp_path: Path, *answers: httpx.Response) -> None:
    """Download from a publisher that gives these answers, one a request."""
    left = list(answers)
    with open_client(httpx.MockTransport(lambda _: left.pop(0))) as client:
        Download(client, "https://one.example/w", tmp_path / "w", pause=lambda _: None).run()


def test_another_range_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.part").write_bytes(b"abc")
    (tmp_path / "w.part.json").write_text('{"validator": "\\"one\\""}')
    other = httpx.Response(206, headers={"content-range": "bytes 5-9/10"}, content=b"fghij")
    with pytest.raises(DownloadError, match="another range than was asked for"):
        served(tmp_path, other)


def test_fewer_bytes_than_were_told_are_no_file(tmp_path: Path) -> None:
    short = httpx.Response(200, headers={"content-length": "10"}, stream=httpx.ByteStream(b"abcde"))
    served(tmp_path, short, httpx.Response(200, content=b"abcdefghij"))
    assert (tmp_path / "w").read_bytes() == b"abcdefghij"


def test_pages_that_lead_to_pages_end(tmp_path: Path) -> None:
    page = '<a id="uc-download-link" href="/w">on</a>'
    with pytest.raises(DownloadError, match="leads from page to page, not to a file"):
        served(tmp_path, *(httpx.Response(200, html=page) for _ in range(9)))


def test_of_an_endless_page_only_the_beginning_is_read(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000
        raise AssertionError("it is read on and on")

    kind = {"content-type": "text/html"}
    with pytest.raises(DownloadError, match="gives a page, not a file"):
        served(tmp_path, httpx.Response(200, headers=kind, content=pieces()))


def test_from_plain_http_a_redirect_may_lead_anywhere(tmp_path: Path) -> None:
    asked: list[str] = []
    answers = {
        "http://mirror.example/w": redirect("http://mirror.example/two"),
        "http://mirror.example/two": redirect("https://one.example/w"),
        "https://one.example/w": httpx.Response(200, content=b"weights"),
    }
    with open_client(answering(answers, asked)) as client:
        Download(client, "http://mirror.example/w", tmp_path / "w").run()
    assert (tmp_path / "w").read_bytes() == b"weights"
    assert len(asked) == 3


def test_a_page_that_asks_for_a_click_is_clicked_and_cuts_are_taken_up_behind_it(
    tmp_path: Path, publisher: Publisher
) -> None:
    publisher.cuts = [300_000]
    download(publisher.url.replace("/file", "/confirm"), tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == publisher.content
    behind = "/download?id=the+file&uuid=a%26b"
    assert publisher.asked == [("/confirm", None), (behind, None), (behind, "bytes=300000-")]


def test_a_page_instead_of_a_file_is_named(tmp_path: Path, publisher: Publisher) -> None:
    with pytest.raises(DownloadError, match="gives a page, not a file: 'Quota exceeded'"):
        download(publisher.url.replace("/file", "/quota"), tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


def test_an_absent_file_is_not_asked_for_twice(tmp_path: Path, publisher: Publisher) -> None:
    with pytest.raises(DownloadError, match="answers 404 Not Found"):
        download(publisher.url.replace("/file", "/nothing"), tmp_path / "w")
    assert len(publisher.asked) == 1


def test_a_drive_link_leads_to_the_file_behind_it() -> None:
    asked = direct("https://drive.google.com/file/d/1nDW-x_Y/view")
    assert asked == "https://drive.google.com/uc?export=download&id=1nDW-x_Y"
    assert direct("https://example.org/file/d/1/view") == "https://example.org/file/d/1/view"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (CONFIRM, "https://drive.example/download?id=the+file&uuid=a%26b"),
        (
            '<a id="uc-download-link" href="/uc?export=download&amp;confirm=x9">anyway</a>',
            "https://drive.example/uc?export=download&confirm=x9",
        ),
        ('<form action="/search"><input name="q"></form><input name="id" value="1">', None),
        ("", None),
    ],
)
def test_old_and_new_pages_are_understood(text: str, url: str | None) -> None:
    assert Page(text).next_url("https://drive.example/uc?id=1") == url


def test_secrets_of_a_location_are_not_shown(tmp_path: Path) -> None:
    location = "http://me:word@127.0.0.1:9/w?token=hush#x"
    assert without_secrets(location) == "http://127.0.0.1:9/w"
    with pytest.raises(DownloadError) as failure:
        download(location, tmp_path / "w")
    assert not {"word", "hush"} & set(str(failure.value).replace("=", " ").split())
