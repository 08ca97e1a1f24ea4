"""What a run leaves behind: a small weights file and its card."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from models.training.snapshots import Progress
from models.training.trainer import TrainConfig

_FULL_PRECISION = ("running_mean", "running_var")
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Quality:
    """How good weights are on examples that they were not trained on.

    Attributes:
        count: how many unseen ones the figures come from.
        unit: what they are called, in the plural.
        metrics: name -> value in [0, 1].
        measures: what the names mean.
    """

    count: int
    unit: str
    metrics: Mapping[str, float]
    measures: str


@dataclass(frozen=True)
class Card:
    """What a reader of a weights file should know.

    Attributes:
        variant: the zoo's name.
        data: what it was trained on, a sentence.
        config: of the run.
        progress: what was done of it.
        quality: what came of it.
    """

    variant: str
    data: str
    config: TrainConfig
    progress: Progress
    quality: Quality


def half_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as they are stored: half precision, the norms' statistics in full.

    Variances of channels that hardly vary are smaller than half precision can tell from zero.

    Args:
        weights: [any] floating by name; the norms' batch counters, int64, are left out.
    """
    return {
        name: tensor.float().contiguous()
        if name.endswith(_FULL_PRECISION)
        else tensor.half().contiguous()
        for name, tensor in weights.items()
        if not name.endswith(_COUNTER)
    }


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights ([any] floating by name); the file at `path` is always a whole one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    save_file(dict(weights), unfinished, metadata={"format": "pt"})
    unfinished.replace(path)


def write_card(path: Path, card: Card) -> None:
    """Write a model card in Markdown; its head is YAML for machines."""
    metrics, unit = card.quality.metrics, card.quality.unit
    head = "\n".join(f"  {name}: {value:.4f}" for name, value in metrics.items())
    rows = "\n".join(f"| {_title(name)} | {value:.3f} |" for name, value in metrics.items())
    path.write_text(
        f"""---
variant: {card.variant}
licence: Apache-2.0
steps: {card.progress.step}
batch_size: {card.config.batch_size}
evaluation_{unit}: {card.quality.count}
metrics:
{head}
---
# {card.variant}

**Data.** {card.data}

**Training.** {card.progress.step} steps of {card.config.batch_size} {unit}, AdamW, a running
average of the weights kept; {card.progress.seconds / 3600:.1f} h on {_machine()}.

**Quality** on {card.quality.count} {unit} of the same kind that it never saw, through the same
predictor that serves ({card.quality.measures}):

| measure | value |
|---|---|
{rows}

**Limits.** It knows {unit} like those it was trained on and nothing else.

**Storage.** Half precision; the running statistics of norms in float32.

**Licence.** Apache-2.0, like the code.
""",
        encoding="utf-8",
    )


def _title(name: str) -> str:
    title = name.replace("_and_", "&").replace("_", " ").replace(" ap", " AP").replace("iou", "IoU")
    return title.upper() if set(title) <= set("jf&") else title


def _machine() -> str:
    """The machine in words: its processors, or its GPU."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return (
        f"{torch.get_num_threads()} CPU thread(s) ({platform.machine()}, torch {torch.__version__})"
    )
