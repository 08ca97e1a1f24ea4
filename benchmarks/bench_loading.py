"""Loading every published variant, as published and converted, and what others feel of it.

python -m benchmarks.bench_loading [--variants NAME,NAME] [--rounds N]

Files are made in full size with zeros in them. Each load is measured in a process of its own, with
one thread, its file dropped from the page cache before. Memory is what the process owns beyond what
it had before (anonymous pages; those of mapped files can be dropped at any time), at its peak and
afterwards, in sizes of the network's weights. Then one model answers picture after picture, alone
and while another is loaded and warmed up beside it.
"""

import argparse
import asyncio
import ctypes
import gc
import json
import math
import multiprocessing
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.provenance import RESULTS, commit, machine
from models import zoo
from service.engine.engine import Engine
from service.settings import Settings

_SERVING, _LOADED = "mask_rcnn_demo", "pointrend_fpn_r50_ade20k"
_PICTURES_ALONE = 100


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    published = ",".join(name for name, one in zoo.available().items() if one.files)
    parser.add_argument("--variants", default=published)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"machine": machine(), "commit": commit(), "variants": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name in given.variants.split(","):
            result["variants"][name] = _measure(name, Path(folder), given.rounds)
            sys.stderr.write(f"{name}: {result['variants'][name]}\n")
        result["beside"] = asyncio.run(_beside(Path(folder)))
    text = json.dumps(result, indent=2)
    sys.stdout.write(f"{text}\n")
    (RESULTS / "loading.json").write_text(f"{text}\n")


def _measure(name: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Both ways of one variant; the best time and the smallest peak of all rounds."""
    published, converted = folder / f"{name}.pth", folder / f"{name}.safetensors"
    size = _make(name, published)
    zoo.convert(published, converted, zoo.Origin(name, "zeros", ""))
    figures: dict[str, Any] = {"weights_mb": round(size / 1e6, 1)}
    for kind, path in (("published", published), ("converted", converted)):
        loads = [_in_own_process(name, path) for _ in range(rounds)]
        figures[f"{kind}_ms"] = round(1e3 * min(load["seconds"] for load in loads))
        for when in ("peak", "after"):
            least = min(load[when] for load in loads)
            figures[f"{kind}_{when}_sizes"] = round(least / size, 2)
        path.unlink()
    return figures


def _make(name: str, path: Path) -> int:
    """Write a checkpoint of zeros; return the bytes of the weights."""
    with torch.device("meta"):
        expected = zoo.build(name).state_dict()
    weights = {key: torch.zeros(tensor.shape) for key, tensor in expected.items()}
    torch.save(weights, path)
    return sum(tensor.numel() * tensor.element_size() for tensor in weights.values())


def _in_own_process(name: str, path: Path) -> dict[str, float]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_load, args=(name, path, queue))
    process.start()
    figures: dict[str, float] = queue.get(timeout=300)
    process.join()
    return figures


def _load(name: str, path: Path, queue: Any) -> None:
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what the parent had freed is not there to be used
    peak, done, before = [0], threading.Event(), _owned()

    def watch() -> None:
        while not done.wait(0.001):
            peak[0] = max(peak[0], _owned())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    predictor = zoo.load(name, path)
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    gc.collect()
    queue.put({"seconds": seconds, "peak": peak[0] - before, "after": _owned() - before})
    del predictor


def _owned() -> int:
    """Bytes of this process that no file holds."""
    told = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(told[1]) * 1024 if told else 0


async def _beside(folder: Path) -> dict[str, Any]:
    """Seconds that a picture takes, alone and while another model comes."""
    _make(_LOADED, folder / f"{_LOADED}.pth")
    engine = Engine(Settings(models=(_SERVING,), devices=("cpu",), weights_dir=str(folder)))
    await engine.start()
    alone = [await _ask(engine) for _ in range(_PICTURES_ALONE)]
    began = time.perf_counter()
    load = asyncio.ensure_future(engine.load(_LOADED))
    during = []
    while not load.done():
        during.append(await _ask(engine))
    seconds = time.perf_counter() - began
    await load
    await engine.aclose()
    return {
        "serving": _SERVING,
        "loaded": _LOADED,
        "load_and_warm_up_s": round(seconds, 1),
        "pictures_meanwhile": len(during),
        **{f"alone_{name}": value for name, value in _percentiles(alone).items()},
        **{f"meanwhile_{name}": value for name, value in _percentiles(during).items()},
    }


async def _ask(engine: Engine) -> float:
    picture = np.zeros((240, 320, 3), np.uint8)
    began = time.perf_counter()
    with engine.admit(_SERVING, picture.shape[0] * picture.shape[1], math.inf) as ticket:
        await engine.predict(ticket, picture, {})
    return time.perf_counter() - began


def _percentiles(seconds: list[float]) -> dict[str, float]:
    milliseconds = 1e3 * np.array(seconds)
    return {
        "p50_ms": round(float(np.percentile(milliseconds, 50)), 1),
        "p99_ms": round(float(np.percentile(milliseconds, 99)), 1),
    }


if __name__ == "__main__":
    main()
