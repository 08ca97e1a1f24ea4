"""What following objects costs: memory over a long video, and sessions together against alone.

python -m benchmarks.bench_tracking [--threads N] [--frames N] [--rounds N]

One session of `aot_demo` follows three figures through a video that runs to and fro; the bytes
that its state keeps alive are read on the way, and the process's own. Then several sessions of
other videos take some frames one after the other and as one batch, by turns: eight sessions of
three masks with `aot_demo`, and sixteen of one box with `siammask_demo`. Times are of the
processor, the best of all rounds.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.provenance import RESULTS, commit, machine
from models import zoo
from models.outputs import TrackState, TrackStep
from models.predictor import VideoPredictor
from models.training.examples import Clip, DemoClips
from models.training.scenes import World, tight_boxes

_TOGETHER = {"aot_demo": 8, "siammask_demo": 16}  # sessions
_SIDE, _SMALL_SIDE = 256, 128  # pixels, of frames of many sessions and of the long video
_STEPS = 8  # frames a session takes in a round
_VIDEO = 24  # frames


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    small, large = _clips(_SMALL_SIDE), _clips(_SIDE)
    result = {
        "machine": machine(),
        "commit": commit(),
        "threads": given.threads,
        "memory": _measure_memory(_load("aot_demo"), small[0], given.frames),
        "together": {
            variant: _measure_together(
                _load(variant), [large[index] for index in range(sessions)], given.rounds
            )
            for variant, sessions in _TOGETHER.items()
        },
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(f"{text}\n")
    (RESULTS / "tracking.json").write_text(f"{text}\n")


def _load(variant: str) -> VideoPredictor:
    predictor = zoo.load(variant)
    if not isinstance(predictor, VideoPredictor):
        raise TypeError(f"{variant} follows no objects")
    return predictor


def _clips(side: int) -> DemoClips:
    """Clips of square frames, three figures each."""
    world = World((side, side), max_aspect=1, figures=(3, 3))
    return DemoClips(9, (world,), _VIDEO, video_frames=(_VIDEO, _VIDEO))


def _start(predictor: VideoPredictor, clip: Clip) -> TrackState:
    """A session of all figures by their masks, or of the first by its box."""
    masks = {number: clip.owners[0] == number for number in range(1, clip.object_count + 1)}
    told = {1: tight_boxes(masks[1][None])[0]} if "box" in predictor.prompts else masks
    state, _ = predictor.start(clip.images[0], told)
    return state


def _measure_memory(predictor: VideoPredictor, clip: Clip, frames: int) -> dict[str, Any]:
    """State and process after 1 %, 10 %, 50 % and all of the frames."""
    state = _start(predictor, clip)
    order = [*range(len(clip.images)), *range(len(clip.images) - 2, 0, -1)]
    marks = {max(1, round(frames * share)) for share in (0.01, 0.1, 0.5, 1)}
    sizes = {}
    begun = time.process_time()
    for number in range(1, frames + 1):
        (step,) = predictor.step([state], [clip.images[order[number % len(order)]]])
        state = step.state
        if number in marks:
            peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            sizes[number] = {"state_bytes": state.nbytes, "process_peak_kib": peak_kib}
    milliseconds = (time.process_time() - begun) / frames * 1000
    return {"frame": [_SMALL_SIDE] * 2, "after_frames": sizes, "frame_ms": round(milliseconds, 2)}


def _measure_together(
    predictor: VideoPredictor, clips: Sequence[Clip], rounds: int
) -> dict[str, Any]:
    """Some frames of every session, alone and as one batch."""
    starts = [_start(predictor, clip) for clip in clips]
    best: dict[str, float] = {}
    answers: dict[str, list[TrackStep]] = {}
    for _ in range(rounds):
        for name, size in (("alone", 1), ("together", len(clips))):
            begun = time.process_time()
            answers[name] = _follow(predictor, starts, clips, size)
            spent = time.process_time() - begun
            best[name] = min(spent, best.get(name, spent))
    frames = len(clips) * _STEPS
    return {
        "frame": [_SIDE] * 2,
        "sessions": len(clips),
        "alone_frames_per_second": round(frames / best["alone"], 1),
        "together_frames_per_second": round(frames / best["together"], 1),
        "ratio": round(best["alone"] / best["together"], 2),
        "pixels_that_differ": _differences(answers["alone"], answers["together"]),
        "pixels": len(clips) * _SIDE**2,
    }


def _follow(
    predictor: VideoPredictor, starts: Sequence[TrackState], clips: Sequence[Clip], size: int
) -> list[TrackStep]:
    """The last step of every session, `size` sessions a batch."""
    states, steps = list(starts), []
    for number in range(1, _STEPS + 1):
        frames = [clip.images[number] for clip in clips]
        steps = [
            step
            for first in range(0, len(clips), size)
            for step in predictor.step(states[first : first + size], frames[first : first + size])
        ]
        states = [step.state for step in steps]
    return steps


def _differences(some: Sequence[TrackStep], others: Sequence[TrackStep]) -> int:
    """Pixels of the last frames that two ways give to other objects."""
    count = 0
    for one, other in zip(some, others, strict=True):
        theirs = other.masks()
        differing = [mask ^ theirs[number] for number, mask in one.masks().items()]
        count += int(np.any(differing, axis=0).sum())
    return count


if __name__ == "__main__":
    main()
