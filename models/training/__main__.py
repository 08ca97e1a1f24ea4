"""Command line: train a demo variant from nothing, or fine-tune a variant on a COCO folder."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

import models
from models import checkpoint, zoo
from models.checkpoint import CheckpointError
from models.training.coco_folder import FolderError
from models.training.export import Card, Quality, half_weights, write_card, write_weights
from models.training.plans import Plan, demo_plan, demo_variants, folder_plan
from models.training.trainer import Trainer
from models.zoo import UnknownVariant

_DEMO_DIR = Path(next(iter(models.__path__))) / "demo"


class NoPlan(Exception):
    """What was asked leaves open what to train on or where to start."""


class RunExists(Exception):
    """A new run where another left its snapshot."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, judge on unseen pictures or clips, write weights and card; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        plan = _plan(options)
        _train(plan, options)
    except (CheckpointError, UnknownVariant, FolderError, NoPlan, RunExists) as error:
        print(error, file=sys.stderr)  # noqa: T201 (a command line speaks)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    parser.add_argument("variant", help=f"from nothing: {', '.join(demo_variants())}")
    parser.add_argument("--steps", type=int, help="of the whole run")
    parser.add_argument("--batch-size", type=int, help="pictures or clips a step")
    parser.add_argument("--learning-rate", type=float, help="at its highest")
    parser.add_argument("--run", type=Path, help="where snapshots lie; default runs/VARIANT")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last snapshot, if any"
    )
    parser.add_argument("--out", type=Path, help="where weights and card go")
    parser.add_argument("--coco", type=Path, help="fine-tune on this folder in COCO's format")
    parser.add_argument("--checkpoint", type=Path, help="weights to fine-tune")
    parser.add_argument("--unseen", type=int, help="pictures or clips to judge on, at most")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="of torch on the CPU")
    parser.add_argument("--loaders", type=int, help="processes that make data")
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    """The variant's plan with the options in place of its own numbers."""
    if options.variant not in zoo.available():
        raise UnknownVariant(options.variant)
    if options.coco:
        start = checkpoint.read(options.checkpoint or _included(options.variant))
        plan = folder_plan(options.variant, options.coco, start)
    elif options.variant in demo_variants():
        plan = demo_plan(options.variant)
    else:
        raise NoPlan(f"{options.variant} is not made from nothing: name a folder with --coco")
    wanted = {
        "steps": options.steps,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "loader_processes": options.loaders,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    unseen_count = min(plan.unseen_count, options.unseen or plan.unseen_count)
    return replace(plan, config=replace(plan.config, **given), unseen_count=unseen_count)


def _included(variant: str) -> Path:
    path = _DEMO_DIR / f"{variant}.safetensors"
    if not path.exists():
        raise NoPlan(f"no weights of {variant} are included: name a file with --checkpoint")
    return path


def _train(plan: Plan, options: argparse.Namespace) -> None:
    directory = options.run or Path("runs") / plan.variant
    trainer = Trainer(plan.recipe, plan.examples, plan.config, directory, options.device)
    if options.resume:
        trainer.resume()
    elif trainer.has_snapshot:
        raise RunExists(f"{directory} holds a run already: --resume it, or name another --run")
    trainer.run()
    weights = half_weights(trainer.averaged_weights())
    predictor = zoo.load(plan.variant, weights, options.device, plan.overrides)
    unseen = (plan.unseen[index] for index in range(plan.unseen_count))
    metrics = plan.judge.evaluate(predictor, unseen)
    out = options.out or (directory if options.coco else _DEMO_DIR)
    write_weights(out / f"{plan.variant}.safetensors", weights)
    card = Card(
        plan.variant,
        plan.data,
        plan.config,
        trainer.progress,
        Quality(plan.unseen_count, plan.unit, metrics, plan.judge.measures),
    )
    write_card(out / f"{plan.variant}.md", card)


if __name__ == "__main__":
    sys.exit(main())
