"""A training run on disk: weights, their average and the optimizer's moments in one file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: optimizer steps done.
        seconds: of wall clock, over all the times it ran.
    """

    step: int = 0
    seconds: float = 0.0


def save_snapshot(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Write the state of a run; the file at `path` is always a whole one."""
    tensors = {
        f"{owner}/{name}": tensor
        for owner, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": tensor for name, tensor in moments.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    copies = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(
        copies, unfinished, metadata={name: repr(value) for name, value in asdict(progress).items()}
    )
    unfinished.replace(path)


def load_snapshot(
    path: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer
) -> Progress:
    """Restore the state of a run in place; return how far it had come."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for owner, module in modules.items():
        module.load_state_dict(_under(f"{owner}/", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under("optimizer/", tensors).items():
        index, moment = name.split("/")
        moments.setdefault(int(index), {})[moment] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return Progress(int(metadata["step"]), float(metadata["seconds"]))


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
