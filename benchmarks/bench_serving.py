"""The service under a closed loop of clients, against the bare network in the same run.

python -m benchmarks.bench_serving [--clients 32] [--seconds 60]

A real server process on the loopback, every client waiting for its reply before it sends the next
picture. The bare network's figures are taken before and after, with the same pictures and without
the service; their means count, since shared machines are not always as fast.
"""

import argparse
import asyncio
import collections
import io
import itertools
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.provenance import RESULTS, commit, machine
from models import zoo
from models.training.scenes import World, render, scene_at
from service.child import Child, running
from service.settings import Settings

_PICTURES = 32
_WORLD = World(short_side=(480, 480), max_aspect=1.0)
_SEED = 7
_WARM_UP = 2  # passes, and pictures a client, that are not counted
_BARE_S = 10.0
_MODEL = "mask_rcnn_demo"


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    load = round(os.getloadavg()[0], 1)
    pictures = [render(scene_at(_SEED, index, _WORLD)).image for index in range(_PICTURES)]
    sizes = 1, Settings().max_batch_size
    before = [_bare(pictures, size) for size in sizes]
    served = _serve(pictures, given.clients, given.seconds)
    after = [_bare(pictures, size) for size in sizes]
    bare = map(statistics.mean, zip(before, after, strict=True))
    result = {
        "machine": {**machine(), "load_average_before": load},
        "commit": commit(),
        "clients": given.clients,
        "seconds": given.seconds,
        "picture": "480x480 JPEG, demo world",
        "bare_images_per_s": {size: round(mean, 2) for size, mean in zip(sizes, bare, strict=True)},
        "served": served,
    }
    best = max(result["bare_images_per_s"].values())
    result["throughput_ratio"] = round(result["served"]["images_per_s"] / best, 3)
    text = json.dumps(result, indent=2)
    sys.stdout.write(f"{text}\n")
    (RESULTS / "serving.json").write_text(f"{text}\n")


def _bare(pictures: list[np.ndarray], size: int) -> float:
    """Pictures a second of the network alone, masks not encoded."""
    predictor = zoo.load(_MODEL)
    batches = itertools.cycle(
        [pictures[first : first + size] for first in range(0, _PICTURES - size + 1, size)]
    )
    for _ in range(_WARM_UP):
        predictor.predict(next(batches), score_threshold=0.5)
    begun, count = time.monotonic(), 0
    while time.monotonic() - begun < _BARE_S:
        count += len(predictor.predict(next(batches), score_threshold=0.5))
    return count / (time.monotonic() - begun)


def _serve(pictures: list[np.ndarray], clients: int, seconds: float) -> dict[str, Any]:
    """Figures of the service under load."""
    bodies = [_jpeg(picture) for picture in pictures]
    with running(os.environ) as child:
        asyncio.run(_load(child.url, bodies, clients, _WARM_UP))
        before, rss_before = _batches(child.url), _rss_mb(child)
        begun = time.monotonic()
        statuses, latencies = asyncio.run(_load(child.url, bodies, clients, None, begun + seconds))
        elapsed = time.monotonic() - begun
        after, rss_after = _batches(child.url), _rss_mb(child)
    return {
        "images_per_s": round(statuses[200] / elapsed, 2),
        "p50_ms": round(statistics.median(latencies) * 1e3, 1),
        "p99_ms": round(float(np.quantile(latencies, 0.99)) * 1e3, 1),
        "replies_by_status": dict(statuses),
        "batches_by_size": {
            size: after[size] - before.get(size, 0)
            for size in after
            if after[size] > before.get(size, 0)
        },
        "rss_mb": {"before": rss_before, "after": rss_after},
    }


async def _load(
    url: str,
    bodies: list[bytes],
    clients: int,
    rounds: int | None,
    until: float = float("inf"),
) -> tuple[collections.Counter[int], list[float]]:
    """Replies by status and seconds of each, over some rounds or until a moment."""
    statuses: collections.Counter[int] = collections.Counter()
    latencies: list[float] = []

    async def one(client: httpx.AsyncClient, first: int) -> None:
        for count in itertools.count():
            if count == rounds or time.monotonic() >= until:
                return
            begun = time.monotonic()
            body = bodies[(first + count) % len(bodies)]
            reply = await client.post("/segment", content=body)
            statuses[reply.status_code] += 1
            latencies.append(time.monotonic() - begun)

    limits = httpx.Limits(max_connections=clients)
    headers = {"content-type": "image/jpeg"}
    async with httpx.AsyncClient(
        base_url=url, limits=limits, headers=headers, timeout=60
    ) as client:
        await asyncio.gather(*(one(client, first) for first in range(clients)))
    return statuses, latencies


def _batches(url: str) -> dict[str, int]:
    """Batches so far by upper bound of their size, from the service's own histogram."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    buckets = [line for line in lines if line.startswith("maskd_batch_size_bucket")]
    counts: dict[str, int] = {}
    total = 0
    for line in buckets:
        bound = line.split('le="')[1].split('"')[0]
        upto = int(float(line.rsplit(" ", 1)[1]))
        counts[bound] = upto - total
        total = upto
    return counts


def _rss_mb(child: Child) -> int:
    status = Path(f"/proc/{child.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def _jpeg(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
