"""Load one model and print the bytes that it took at most, those that it says, and what came along.

python -m tests.weights.loading_memory VARIANT FILE

The peak is of the process's whole resident memory, mapped pages of the file included (VmHWM), less
what was resident before; a small model of the same family is loaded first, so that what the first
load of any model brings in is not counted.
"""

import gc
import re
import sys
from pathlib import Path

import torch

from models import zoo


def resident(line: str) -> int:
    """Bytes that the kernel tells in a line of this process's status."""
    told = re.search(rf"{line}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert told is not None
    return int(told[1]) * 1024


def count_peak() -> int:
    """Let the peak count from here; return what is resident now."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def main(variant: str, path: str) -> None:
    torch.set_num_threads(1)
    family = zoo.available()[variant].family
    zoo.load(f"{family}_demo")
    before = count_peak()
    predictor = zoo.load(variant, path)
    peak = resident("VmHWM") - before
    sys.stdout.write(f"{peak} {predictor.nbytes} {'sympy' in sys.modules}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
