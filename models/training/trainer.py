"""One trainer for all families: what a step is, in which order data comes, what survives a stop.

Nothing random is remembered: the data of a step and the seed of its chance follow from its number,
so that a run that was stopped and resumed is the run that was not.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from models.training.examples import Examples
from models.training.snapshots import Progress, load_snapshot, save_snapshot

_SEED_STRIDE = 1_000_003  # between the chance of two runs: more than their steps

ExampleT_contra = TypeVar("ExampleT_contra", contravariant=True)


class Batcher(Protocol[ExampleT_contra]):
    """Makes examples of a family's kind ready for its network."""

    def __call__(self, examples: Sequence[ExampleT_contra], progress: float) -> Any:
        """Return a batch.

        Args:
            examples: of the batch.
            progress: share of the run that is done, in [0, 1).
        """
        ...


class Recipe(Protocol):
    """How a family learns: the only part of training that knows it."""

    def build(self) -> nn.Module:
        """Return the network with fresh weights."""
        ...

    def batcher(self) -> Batcher[Any]:
        """Return what makes batches; it is sent to the loader's processes."""
        ...

    def losses(self, model: nn.Module, batch: Any) -> Mapping[str, Tensor]:
        """Return the named losses of a batch, [] float32 each; their sum is trained on."""
        ...


@dataclass(frozen=True)
class TrainConfig:
    """How long and how hard to train.

    Attributes:
        steps: optimizer steps of the whole run.
        batch_size: examples a step.
        learning_rate: at its highest.
        warmup_steps: steps in which the rate rises from zero; afterwards it falls to zero along a
            half cosine.
        weight_decay: AdamW's, on matrices and kernels only.
        max_grad_norm: gradients are shortened to it.
        ema_decay: of the running average of the weights, which is what a run leaves behind; the
            average is younger in the first steps.
        seed: of the fresh weights and of each step's chance.
        save_every: steps from one snapshot to the next.
        loader_processes: that make data beside the training; 0 makes it in between.
        autocast: convolutions and linear layers train in bfloat16, weights stay float32; faster
            where the processor multiplies it.
    """

    steps: int
    batch_size: int = 8
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    weight_decay: float = 0.02
    max_grad_norm: float = 5.0
    ema_decay: float = 0.998
    seed: int = 0
    save_every: int = 200
    loader_processes: int = 1
    autocast: bool = False


def learning_rate(config: TrainConfig, step: int) -> float:
    """Return the rate of `step`, counted from 0."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


class Trainer:
    """A run in a directory: `run` starts it, or goes on where the last snapshot was taken.

    AdamW with warm-up and a cosine, because it needs no search for a rate a layer when a network
    with narrow and wide parts starts from nothing.

    Args:
        recipe: the family.
        examples: training data.
        config: length and hardness.
        directory: where the snapshot lies.
        device: where the network trains.
    """

    def __init__(
        self,
        recipe: Recipe,
        examples: Examples[Any],
        config: TrainConfig,
        directory: Path,
        device: str = "cpu",
    ) -> None:
        self._recipe, self._examples, self._config = recipe, examples, config
        self._path = directory / "snapshot.safetensors"
        self._device_type = torch.device(device).type
        torch.manual_seed(config.seed)
        self.model = recipe.build().to(device).train()
        self._average = recipe.build().to(device)
        self._average.load_state_dict(self.model.state_dict())
        self._optimizer = build_optimizer(self.model, config)
        self.progress = Progress()

    def averaged_weights(self) -> dict[str, Tensor]:
        """Return the running average of the weights, by name, on the CPU."""
        return {name: tensor.cpu() for name, tensor in self._average.state_dict().items()}

    @property
    def has_snapshot(self) -> bool:
        """Whether the directory holds a run already, finished or not."""
        return self._path.exists()

    def resume(self) -> None:
        """Go on from the snapshot, if there is one."""
        if self.has_snapshot:
            self.progress = load_snapshot(self._path, self._modules(), self._optimizer)

    def run(self) -> None:
        """Train to the end, with a snapshot every so many steps."""
        config, progress = self._config, self.progress
        started = time.monotonic() - progress.seconds
        with tqdm(total=config.steps, initial=progress.step, dynamic_ncols=True) as bar:
            for batch in self._batches():
                losses = self._train_step(batch)
                progress.step += 1
                progress.seconds = time.monotonic() - started
                bar.set_postfix({name: f"{loss:.3f}" for name, loss in losses.items()})
                bar.update()
                if progress.step % config.save_every == 0 or progress.step == config.steps:
                    save_snapshot(self._path, self._modules(), self._optimizer, progress)

    def _train_step(self, batch: Any) -> dict[str, float]:
        step = self.progress.step
        torch.manual_seed(self._config.seed * _SEED_STRIDE + step)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._config, step)
        with torch.autocast(self._device_type, torch.bfloat16, enabled=self._config.autocast):
            losses = self._recipe.losses(self.model, batch)
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise FloatingPointError(f"the loss of step {step} is {total.item()}")
        self._optimizer.zero_grad()
        torch.autograd.backward(total)
        nn.utils.clip_grad_norm_(self.model.parameters(), self._config.max_grad_norm)
        self._optimizer.step()
        decay = min(self._config.ema_decay, (1 + step) / (10 + step))
        update_average(self._average, self.model, decay)
        return {name: loss.item() for name, loss in losses.items()}

    def _batches(self) -> Iterator[Any]:
        """The batches of the steps that are left."""
        processes = self._config.loader_processes
        batches = _Batches(self._recipe.batcher(), self._examples, self._config)
        return iter(
            DataLoader(
                batches,
                batch_size=None,
                sampler=range(self.progress.step, self._config.steps),
                num_workers=processes,
                prefetch_factor=4 if processes else None,
                # Forks of a process with threads, as torch's is, may hang.
                multiprocessing_context="spawn" if processes else None,
            )
        )

    def _modules(self) -> dict[str, nn.Module]:
        return {"model": self.model, "average": self._average}


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the average a share of 1 - decay towards the model; counters are copied."""
    latest = model.state_dict()
    for name, mean in average.state_dict().items():
        if mean.is_floating_point():
            mean.lerp_(latest[name], 1 - decay)
        else:
            mean.copy_(latest[name])


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW over what is trainable; biases and norms do not decay."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


class _Batches(Dataset[Any]):
    """The batch of every step of a run, for a loader."""

    def __init__(self, batcher: Batcher[Any], examples: Examples[Any], config: TrainConfig) -> None:
        self._batcher, self._examples, self._config = batcher, examples, config

    def __getitem__(self, step: int) -> Any:
        size = self._config.batch_size
        examples = [self._examples[index] for index in range(step * size, (step + 1) * size)]
        return self._batcher(examples, step / self._config.steps)
