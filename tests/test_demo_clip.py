"""What `make demo` makes of a clip: a video that can be read, frames with masks, a sheet."""

import io

import numpy as np
import pytest

from models import rle
from service import demo_clip
from service.api.video.frames import Video
from service.client import TrackedObject, VideoStep
from service.client.replies import ImageSize


@pytest.fixture(scope="module")
def clip() -> demo_clip.DrawnClip:
    return demo_clip.draw_clip()


def test_the_clip_is_a_video_of_the_frames_and_tells_its_figures(clip: demo_clip.DrawnClip) -> None:
    with Video(io.BytesIO(clip.video), 10**6) as video:
        frames = [frame.pixels for frame in iter(video.read, None)]
    assert len(frames) == len(clip.frames)
    assert np.abs(frames[-1].astype(int) - clip.frames[-1]).mean() < 10
    assert len(clip.objects) == 3


def test_a_step_is_drawn_on_its_frame(clip: demo_clip.DrawnClip) -> None:
    mask = np.zeros(clip.frames[0].shape[:2], bool)
    mask[150:200, 100:180] = True
    one = TrackedObject(
        1, None, 0.9, (100, 150, 80, 50), 4000, dict(rle.encode(mask)), visible=True
    )
    size = ImageSize(*reversed(mask.shape))
    drawn = clip.with_masks(VideoStep("s", "m", 3, size, (one,), "r", 0.25))
    changed = (drawn != clip.frames[3]).any(axis=2)
    assert changed[mask].mean() > 0.9
    assert changed[~mask].mean() < 0.2
    sheet = demo_clip.contact_sheet([drawn] * 8)
    assert np.array_equal(np.asarray(sheet)[:240, :240], drawn)
