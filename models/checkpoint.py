"""Weight files: the only place that reads them, strictly and without running what is in them."""

import argparse
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from models import array_pickle

Checkpoint = str | Path | Mapping[str, Any]

_UNUSED_COUNTER = "num_batches_tracked"  # of batch norms
# Training scripts put the weights under one of these keys, beside optimiser and epoch, and
# distributed training puts the prefix before every name.
_WRAPPERS = ("model", "state_dict")
_PREFIX = "module."
_SHOWN_NAMES = 10
_PORTION = 4 * 1024 * 1024  # bytes of a file that are in memory beside their copies
_ASKED_FOR = re.compile(r"GLOBAL (\S+)")  # in what torch says of a file that is more than weights
# What the readers raise for files that are cut short, garbled or of another kind.
_UNREADABLE = (
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    EOFError,
    MemoryError,
    AttributeError,
    TypeError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    SafetensorError,
)


class CheckpointError(Exception):
    """Weights that cannot be read or do not fit the network."""


def read(
    checkpoint: Checkpoint, layout: torch.memory_format = torch.contiguous_format
) -> dict[str, Tensor]:
    """Return the weights of a file or a mapping, [any] by name, in memory of their own.

    Args:
        checkpoint: path of a .pth, .pt, .bin, .pkl or .safetensors file, or names -> arrays or
            tensors.
        layout: of kernels of convolutions where they have to be copied anyway.

    Raises:
        CheckpointError: no such file, or no weights in it.
    """
    if isinstance(checkpoint, Mapping):
        return _copies(_weights(checkpoint), layout)
    path = Path(checkpoint)
    try:
        return _read_file(path, layout)
    except _UNREADABLE as error:
        raise CheckpointError(f"cannot read {path}: {_reason(error)}") from error


@contextmanager
def unfilled() -> Iterator[None]:
    """Let networks that are built in this block have no memory: for `load_strict` to fill."""
    with torch.device("meta"), _NothingDrawn():
        yield


class _NothingDrawn(TorchFunctionMode):
    """Draws no normal numbers, for which torch would bring in its compiler: seconds and 70 MB."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """See `TorchFunctionMode`."""
        del types
        named = kwargs or {}
        if func in (Tensor.normal_, nn.init.normal_):
            return next(iter((*args, *named.values())))  # the tensor, as it is
        return func(*args, **named)


def load_strict(
    module: nn.Module, weights: Mapping[str, Tensor], rename: Callable[[str], str] = str
) -> None:
    """Give a network its weights as float32; names and shapes must be exactly its own.

    Args:
        module: may be `unfilled`; afterwards it is where the weights are.
        weights: [any] by published name; those that are float32 become the network's own memory.
        rename: published name -> the network's name.

    Raises:
        CheckpointError: names missing, unexpected or of another shape; all of them counted.
    """
    renamed = {rename(name): tensor for name, tensor in weights.items()}
    expected = module.state_dict()
    _check_fit(expected, renamed)
    fitting = {
        name: renamed[name].to(own.dtype)
        if name in renamed
        else torch.zeros(own.shape, dtype=own.dtype)
        for name, own in expected.items()
    }
    module.load_state_dict(fitting, assign=True)


def is_counter(name: str) -> bool:
    """Whether a tensor only counts a norm's batches, which nothing that infers reads."""
    return name.rpartition(".")[2] == _UNUSED_COUNTER


def _read_file(path: Path, layout: torch.memory_format) -> dict[str, Tensor]:
    """The weights of a file, mapped into memory and copied where its format allows."""
    if path.suffix == ".safetensors":
        return _weights(_read_safetensors(path, layout))
    if path.suffix == ".pkl":
        return _weights(array_pickle.load(path))
    # The command line that some training scripts save beside the weights: names and values.
    torch.serialization.add_safe_globals([argparse.Namespace])
    is_mapped = zipfile.is_zipfile(path)
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_mapped)
    return _copies(_weights(content), layout) if is_mapped else _weights(content)


def _read_safetensors(path: Path, layout: torch.memory_format) -> dict[str, Tensor]:
    """Copies of a file's tensors; it is mapped anew for each portion, so that no more stays."""
    weights: dict[str, Tensor] = {}
    while True:
        with safetensors.safe_open(path, framework="pt") as file:
            left = [name for name in file.offset_keys() if name not in weights]
            if not left:
                return weights
            copied = 0
            for name in left:
                weights[name] = _copy(file.get_tensor(name), layout)
                copied += weights[name].nbytes
                if copied >= _PORTION:
                    break


def _weights(content: Any) -> dict[str, Tensor]:
    """The weights in what a file holds, without wrapping."""
    if not isinstance(content, Mapping):
        raise CheckpointError(f"weights by name expected, found a {type(content).__name__}")
    inner = (content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping))
    weights = {str(name): value for name, value in next(inner, content).items()}
    prefix = _PREFIX if all(name.startswith(_PREFIX) for name in weights) else ""
    return {name.removeprefix(prefix): _to_tensor(name, value) for name, value in weights.items()}


def _copies(weights: Mapping[str, Tensor], layout: torch.memory_format) -> dict[str, Tensor]:
    return {name: _copy(tensor, layout) for name, tensor in weights.items()}


def _copy(tensor: Tensor, layout: torch.memory_format) -> Tensor:
    is_kernel = tensor.ndim == 4
    return tensor.clone(memory_format=layout if is_kernel else torch.contiguous_format)


def _reason(error: Exception) -> str:
    """One line; torch's own advises to run what the file holds."""
    text = str(error).strip()
    harmful = _ASKED_FOR.search(text)
    if harmful is not None:
        return f"it asks for {harmful[1]}; only tensors are read from it"
    if isinstance(error, pickle.UnpicklingError) and "weights_only" in text:
        return "it holds more than tensors, or is no checkpoint"
    return text.partition("\n")[0] or type(error).__name__


def _to_tensor(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(np.require(value, requirements=["C", "W"]))
    raise CheckpointError(f"{name} is a {type(value).__name__}, not an array")


def _check_fit(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Compare names and shapes, the counters of batch norms aside."""
    problems = {
        "missing": [name for name in expected if name not in given and not is_counter(name)],
        "unexpected": [name for name in given if name not in expected and not is_counter(name)],
        "misshapen": [
            f"{name} {list(given[name].shape)} instead of {list(own.shape)}"
            for name, own in expected.items()
            if name in given and given[name].shape != own.shape
        ],
    }
    texts = [_list(problem, names) for problem, names in problems.items() if names]
    if texts:
        raise CheckpointError("the weights do not fit the network: " + "; ".join(texts))


def _list(problem: str, names: list[str]) -> str:
    """All of a short list, the beginning of a long one."""
    rest = len(names) - _SHOWN_NAMES
    more = f" and {rest} more" if rest > 0 else ""
    return f"{len(names)} {problem}: {', '.join(names[:_SHOWN_NAMES])}{more}"
