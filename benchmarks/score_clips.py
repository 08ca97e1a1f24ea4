"""How well a tracker follows annotated clips of one's own: J and F, as DAVIS has them.

python -m benchmarks.score_clips VARIANT FOLDER… [--checkpoint FILE]

A folder holds `frames/*.jpg` and `masks/*.png`, one of each a frame; a mask's pixels are numbers
of objects, 0 is none. A tracker is told the masks of the first frame, or takes the boxes around
them.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from models import zoo
from models.predictor import VideoPredictor
from models.training.aot import evaluate
from models.training.examples import Clip, clip_of


def main() -> None:
    """Score each clip and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--checkpoint", type=Path, help="weights; default: those included")
    given = parser.parse_args()
    predictor = zoo.load(given.variant, given.checkpoint)
    if not isinstance(predictor, VideoPredictor):
        parser.error(f"{given.variant} follows no objects")
    scores = {folder.name: evaluate(predictor, [_read(folder)]) for folder in given.folders}
    sys.stdout.write(f"{json.dumps({'variant': given.variant, **scores}, indent=2)}\n")


def _read(folder: Path) -> Clip:
    """The clip in a folder."""
    frames, masks = sorted(folder.glob("frames/*.jpg")), sorted(folder.glob("masks/*.png"))
    return clip_of(
        np.stack([np.asarray(Image.open(path).convert("RGB")) for path in frames]),
        np.stack([np.asarray(Image.open(path), dtype=np.uint8) for path in masks]),
    )


if __name__ == "__main__":
    main()
