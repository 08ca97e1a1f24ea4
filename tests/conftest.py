"""What every test shares: one torch thread, fixed seeds, GPU tests skipped without a GPU."""

import pytest
import torch
from hypothesis import settings


def pytest_configure() -> None:
    torch.set_num_threads(1)
    # The first call of an operator is slow, and a run must be repeatable.
    settings.register_profile("maskd", deadline=None, derandomize=True)
    settings.load_profile("maskd")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
