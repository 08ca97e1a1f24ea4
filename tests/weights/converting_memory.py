"""Convert one published file and print the bytes that it took at most.

python -m tests.weights.converting_memory VARIANT FILE TARGET

Counted as `loading_memory` does, after a small file of the same family was converted.
"""

import sys
from pathlib import Path

import torch

from models import zoo
from tests.weights.loading_memory import count_peak, resident


def main(variant: str, path: str, target: str) -> None:
    torch.set_num_threads(1)
    small = f"{zoo.available()[variant].family}_demo"
    included = Path(zoo.__file__).parent / "demo" / f"{small}.safetensors"
    zoo.convert(included, Path(target), zoo.Origin(small, "made", ""))
    before = count_peak()
    zoo.convert(Path(path), Path(target), zoo.Origin(variant, "made", ""))
    sys.stdout.write(f"{resident('VmHWM') - before}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
