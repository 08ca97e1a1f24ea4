"""What a camera and a picture file do to a clean drawing."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageFilter

from models.training.grid import Plane

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Finish:
    """Faults of the picture; the figures' masks know nothing of them.

    Attributes:
        contrast: factor about middle grey.
        brightness: added after it.
        blur: pixels, standard deviation; 0 leaves the picture sharp.
        noise: standard deviation, in [0, 1] of full scale; 0 for none.
        jpeg_quality: 1 to 95, or 0 for no compression.
        seed: of the noise.
    """

    contrast: float = 1
    brightness: float = 0
    blur: float = 0
    noise: float = 0
    jpeg_quality: int = 0
    seed: int = 0


def draw_finish(rng: np.random.Generator) -> Finish:
    """Draw faults; each is absent in half of the pictures."""
    present = rng.random(4) < 0.5
    return Finish(
        contrast=float(rng.uniform(0.75, 1.2)) if present[0] else 1,
        brightness=float(rng.uniform(-0.12, 0.12)) if present[0] else 0,
        blur=float(rng.uniform(0.3, 1.2)) if present[1] else 0,
        noise=float(rng.uniform(0.01, 0.05)) if present[2] else 0,
        jpeg_quality=int(rng.integers(30, 96)) if present[3] else 0,
        seed=int(rng.integers(2**31)),
    )


def apply_finish(finish: Finish, drawing: Plane) -> Picture:
    """Return [h, w, 3] uint8: the drawing ([3, h, w] float32, about [0, 1]) with its faults."""
    level = 255 * (finish.brightness + 0.5 - 0.5 * finish.contrast) + 0.5
    shifted = drawing * np.float32(255 * finish.contrast)
    shifted += np.float32(level)
    np.clip(shifted, 0, 255, out=shifted)
    picture = np.ascontiguousarray(shifted.astype(np.uint8).transpose(1, 2, 0))
    if finish.blur:
        blur = ImageFilter.GaussianBlur(finish.blur)
        picture = np.asarray(Image.fromarray(picture).filter(blur))
    if finish.noise:
        picture = _noisy(picture, finish)
    return _jpeg(picture, finish.jpeg_quality) if finish.jpeg_quality else picture


_NOISE_TABLE = 8192  # normal numbers a picture; every row begins somewhere else in them


def _noisy(picture: Picture, finish: Finish) -> Picture:
    """The picture with normal noise, cut from one short table: no eye or network can tell."""
    rng = np.random.default_rng(finish.seed)
    height, width, channels = picture.shape
    table = rng.standard_normal(_NOISE_TABLE + width * channels, dtype=np.float32)
    steps = (table * (255 * finish.noise)).round().astype(np.int16)
    rows = sliding_window_view(steps, width * channels)[rng.integers(_NOISE_TABLE, size=height)]
    rows += picture.reshape(height, -1)
    return np.clip(rows, 0, 255, out=rows).astype(np.uint8).reshape(picture.shape)


def _jpeg(picture: Picture, quality: int) -> Picture:
    """The picture after a trip through a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
