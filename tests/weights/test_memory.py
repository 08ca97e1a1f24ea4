"""What loading and converting cost, by the kernel's own count, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from models import zoo
from tests.goldens import needs_goldens
from tests.weights.test_published import FILES, make

VARIANT = "pointrend_deeplabv3_r50"  # has the largest kernels of all, beside its size


def measured(module: str, *arguments: str | Path) -> list[str]:
    """What a process of its own tells."""
    told = subprocess.run(  # noqa: S603 (its own arguments)
        [sys.executable, "-m", f"tests.weights.{module}", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return told.stdout.split()


@needs_goldens
@pytest.mark.slow
def test_loading_a_full_size_model_needs_hardly_more_than_its_size(tmp_path: Path) -> None:
    published, converted = tmp_path / "weights.pth", tmp_path / "weights.safetensors"
    make(*FILES[VARIANT, 0], published)
    zoo.convert(published, converted, zoo.Origin(VARIANT, "made", ""))
    peak, size, has_compiler = measured("loading_memory", VARIANT, converted)
    assert 0.95 * int(size) <= int(peak) <= 1.2 * int(size)
    assert int(size) == pytest.approx(converted.stat().st_size, rel=0.02)
    assert has_compiler == "False"


@needs_goldens
@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "suffix"), [(VARIANT, ".pth"), ("pointrend_fpn_r101_cityscapes", ".pkl")]
)
def test_converting_a_full_size_file_needs_hardly_more_than_twice_its_size(
    tmp_path: Path, variant: str, suffix: str
) -> None:
    published = tmp_path / f"weights{suffix}"
    make(*FILES[variant, 0], published)
    (peak,) = measured("converting_memory", variant, published, tmp_path / "ours.safetensors")
    assert int(peak) <= 2.2 * published.stat().st_size
