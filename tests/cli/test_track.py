"""`maskd track`: frames and videos in, results and pictures out."""

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from models import rle
from service.__main__ import main
from service.cli import frames, track
from service.client import FrameReply, TrackedObject
from service.client.replies import ImageSize
from tests.clips import clip, cornered
from tests.e2e.listening import Listening, listening
from tests.fake_tracker import FakeVideoPredictor

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "service" / "static" / "samples" / "figures.webm"
RING = "106,126,95,98"  # in the sample
BOX = "3,2,6,4"
RLE = {"size": [1, 1], "counts": "01"}


@pytest.fixture(scope="module")
def service() -> Iterator[Listening]:
    with listening(others={"track": FakeVideoPredictor(prompts=("box", "mask"))}) as running:
        yield running


def still(value: int) -> np.ndarray:
    return np.full((48, 64, 3), value, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three frames in the order of their names."""
    place = tmp_path / "frames"
    place.mkdir()
    for value in (2, 0, 1):
        Image.fromarray(still(value)).save(place / f"{value}.png")
    return place


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for value in (0, 60, 120):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(still(value), format="rgb24")))
        file.mux(stream.encode())
    return path


def test_frames_become_results_and_pictures(
    service: Listening, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, results = folder.parent / "out", folder.parent / "r.json"
    wanted = ["--box", BOX, "--out", str(out), "--coco", str(results)]
    assert main(["track", str(folder), "--url", service.url, *wanted]) == 0
    assert capsys.readouterr().out == f"{folder}: 1 object in 3 frames\n"
    found = json.loads(results.read_text())
    assert [(one["image_id"], one["track_id"]) for one in found] == [(0, 1), (1, 1), (2, 1)]
    mask = rle.decode(found[2]["segmentation"])
    assert mask[2:6, 3:9].all()
    assert mask.sum() == 24
    drawn = [np.asarray(Image.open(out / f"00000{index}.png")) for index in range(3)]
    assert [picture[40, 60, 0] for picture in drawn] == [0, 1, 2]


def test_a_video_has_frames_too(service: Listening, video: Path) -> None:
    results = video.parent / "r.json"
    where = ["--url", service.url, "--coco", str(results)]
    assert main(["track", str(video), "--box", BOX, "--box", "20,20,9,9", *where]) == 0
    assert [one["image_id"] for one in json.loads(results.read_text())] == [0, 0, 1, 1, 2, 2]


def test_a_video_s_pixels_come_as_they_are(video: Path) -> None:
    assert [frame[0, 0].tolist() for frame in frames.read([str(video)])] == [
        [0, 0, 0],
        [60, 60, 60],
        [120, 120, 120],
    ]


def test_a_video_of_a_phone_comes_upright(tmp_path: Path) -> None:
    path = tmp_path / "phone.mp4"
    path.write_bytes(clip([cornered()] * 2, turn=-90))
    for frame in frames.read([str(path)]):
        assert frame.shape == (64, 48, 3)
        assert frame[:32, 24:].mean() > 250
        assert frame[:, :24].mean() < 5


def test_a_mask_is_followed(service: Listening, folder: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[5:9, 5:9] = 1
    path, results = folder.parent / "m.png", folder.parent / "r.json"
    Image.fromarray(mask).save(path)
    where = ["--url", service.url, "--coco", str(results)]
    assert main(["track", str(folder), "--mask", str(path), *where]) == 0
    assert rle.area(json.loads(results.read_text())[0]["segmentation"]) == 16


def test_what_a_network_finds_is_followed(service: Listening, folder: Path) -> None:
    results = folder.parent / "r.json"
    where = ["--url", service.url, "--coco", str(results)]
    assert main(["track", str(folder), "--find", *where]) == 0
    found = json.loads(results.read_text())
    assert [one["image_id"] for one in found] == [0, 1, 2]
    assert rle.area(found[2]["segmentation"]) == 24 * 32  # a quarter of the frame


@pytest.mark.slow
@pytest.mark.parametrize(("told", "ids"), [(["--find"], [1, 2, 3]), (["--box", RING], [1])])
def test_nothing_but_this_repository_is_needed(
    told: list[str], ids: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "r.json"
    with av.open(str(SAMPLE)) as sample:
        for number, frame in zip(range(2), sample.decode(video=0), strict=False):
            frame.to_image().save(tmp_path / f"{number}.png")
    assert main(["track", str(tmp_path), *told, "--coco", str(results)]) == 0
    assert "maskd: aot_demo to follow, mask_rcnn_demo to find\n" in capsys.readouterr().err
    followed = [one["track_id"] for one in json.loads(results.read_text()) if one["image_id"] == 1]
    assert followed == ids


def test_what_was_followed_until_a_failure_is_kept(
    service: Listening, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = folder.parent / "r.json"
    (folder / "2.png").write_bytes(b"broken")
    where = ["--url", service.url, "--coco", str(results)]
    assert main(["track", str(folder), "--box", BOX, *where]) == 1
    assert "400 unreadable-image" in capsys.readouterr().err
    assert [one["image_id"] for one in json.loads(results.read_text())] == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to follow"),
        (["--find", "--box", BOX], "no --box or --mask beside it"),
        (["--box", "1,2,3"], "x,y,width,height"),
        (["--mask", "none.png"], "none.png: No such file"),
        (["--mask", "{folder}/../notes.txt"], "none of the formats"),
        (["{folder}/../notes.txt", "--box", BOX], "no video of a kind"),
        (["--box", "900,900,1,1"], "422 invalid-options"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    service: Listening,
    arguments: list[str],
    said: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder.parent / "notes.txt").write_text("no video")
    told = [word.format(folder=folder) for word in arguments]
    assert main(["track", str(folder), *told, "--url", service.url]) == 1
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.startswith("maskd: ")
    assert complaint.count("\n") == 1


def test_an_object_out_of_sight_is_no_result() -> None:
    objects = tuple(
        TrackedObject(number, None, 0.5, (0, 0, 1, 1), 1, RLE, visible=number == 2)
        for number in (1, 2)
    )
    reply = FrameReply("s", "m", 3, ImageSize(1, 1), objects, "r")
    assert [(one["image_id"], one["track_id"]) for one in track.to_coco(reply)] == [(3, 2)]
