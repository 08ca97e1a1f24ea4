"""What loading costs, by the kernel's own count, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from models import zoo
from tests.goldens import needs_goldens
from tests.weights.test_published import FILES, make

VARIANT = "pointrend_deeplabv3_r50"  # has the largest kernels of all, beside its size


@needs_goldens
@pytest.mark.slow
def test_loading_a_full_size_model_needs_hardly_more_than_its_size(tmp_path: Path) -> None:
    published, converted = tmp_path / "weights.pth", tmp_path / "weights.safetensors"
    make(*FILES[VARIANT, 0], published)
    zoo.convert(published, converted, zoo.Origin(VARIANT, "made", ""))
    told = subprocess.run(  # noqa: S603 (its own arguments)
        [sys.executable, "-m", "tests.weights.loading_memory", VARIANT, str(converted)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    peak, size, has_compiler = told.stdout.split()
    assert 0.95 * int(size) <= int(peak) <= 1.2 * int(size)
    assert int(size) == pytest.approx(converted.stat().st_size, rel=0.02)
    assert has_compiler == "False"
