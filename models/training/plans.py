"""Which variants can be trained, on what and how: adding one is adding data here."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from models import deformable_detr, mask_rcnn, pointrend, zoo
from models.mask_rcnn.config import MaskRcnnConfig
from models.training import deformable_detr as deformable_detr_training
from models.training import mask_rcnn as mask_rcnn_training
from models.training import pointrend as pointrend_training
from models.training.coco_folder import FolderError, open_folder
from models.training.deformable_detr import DeformableDetrRecipe
from models.training.examples import DemoExamples, Examples
from models.training.mask_rcnn import MaskRcnnRecipe, fitting_weights
from models.training.pointrend import PointRendRecipe
from models.training.scenes import World
from models.training.trainer import Recipe, TrainConfig

_TRAINING_SEED, _UNSEEN_SEED = 1, 2
_DEMO_WORLD = (
    "Scenes of the demo world, drawn as they are needed: up to eight flat figures of six kinds "
    "(circle, square, triangle, star, cross, ring), plain or patterned, at most 45 % of one hidden "
    "by others, before plain, patterned, cloudy and photograph-like backgrounds, with noise, blur, "
    "JPEG artefacts and shifts of brightness and contrast. All were drawn by this project."
)


@dataclass(frozen=True)
class Judge:
    """How a family is judged.

    Attributes:
        evaluate: name -> value in [0, 1] of the family's predictor over its kind of examples.
        measures: what the names mean, for the card.
    """

    evaluate: Callable[[Any, Iterable[Any]], dict[str, float]]
    measures: str


@dataclass(frozen=True)
class Plan:
    """A run before it starts.

    Attributes:
        variant: the zoo's name.
        recipe: of its family.
        config: length and hardness.
        examples: to train on.
        unseen: to judge on.
        unseen_count: how many of them.
        data: what the examples are, for the card.
        judge: of its family.
        overrides: fields of the variant's config that differ.
    """

    variant: str
    recipe: Recipe
    config: TrainConfig
    examples: Examples
    unseen: Examples
    unseen_count: int
    data: str
    judge: Judge
    overrides: Mapping[str, Any]


_INSTANCES = Judge(
    mask_rcnn_training.evaluate, "AP: mean over overlaps 0.50 to 0.95, as COCO has it"
)
_BOXES = Judge(
    deformable_detr_training.evaluate, "AP: mean over overlaps 0.50 to 0.95, as COCO has it"
)
_LABEL_MAPS = Judge(
    pointrend_training.evaluate,
    "mIoU: mean over labels of intersection over union, everywhere or within 3 pixels of a border; "
    "coarse: of the coarse head's answer, without refinement",
)


_FROM_NOTHING: Mapping[str, tuple[Recipe, TrainConfig, World, Judge]] = MappingProxyType(
    {
        "mask_rcnn_demo": (
            MaskRcnnRecipe(mask_rcnn.DEMO, canvases=((0, 160), (0.45, 192), (0.8, 224))),
            TrainConfig(steps=4500, learning_rate=1.5e-3),
            World(short_side=(112, 320), max_aspect=1.3),
            _INSTANCES,
        ),
        "pointrend_demo": (
            PointRendRecipe(pointrend.DEMO, sides=((0, 128), (0.5, 192), (0.85, 256))),
            TrainConfig(steps=3000, learning_rate=2e-3),
            World(short_side=(112, 320), max_aspect=1.3),
            _LABEL_MAPS,
        ),
        "deformable_detr_demo": (
            DeformableDetrRecipe(
                deformable_detr.DEMO, canvases=((0, 128), (0.4, 160), (0.75, 224))
            ),
            TrainConfig(steps=10000, learning_rate=1e-3, warmup_steps=500, autocast=True),
            World(short_side=(112, 320), max_aspect=1.3),
            _BOXES,
        ),
    }
)


def demo_variants() -> list[str]:
    """Return the variants that can be trained from nothing."""
    return list(_FROM_NOTHING)


def demo_plan(variant: str, unseen_count: int) -> Plan:
    """Return how a demo variant comes from nothing; it is judged on the whole demo world.

    Raises:
        KeyError: no such demo variant.
    """
    recipe, config, world, judge = _FROM_NOTHING[variant]
    return Plan(
        variant,
        recipe,
        config,
        DemoExamples(_TRAINING_SEED, world),
        DemoExamples(_UNSEEN_SEED, World()),
        unseen_count,
        _DEMO_WORLD,
        judge,
        overrides={},
    )


def folder_plan(variant: str, root: Path, start: Mapping[str, Tensor], unseen_count: int) -> Plan:
    """Return how a Mask R-CNN goes on from weights on a folder of annotated pictures.

    Args:
        variant: the zoo's name.
        root: a folder in COCO's format.
        start: [any] floating, under the published names.
        unseen_count: judge on so many of the held-out pictures at most.

    Raises:
        FolderError: the folder is not in COCO's format, or the variant is no Mask R-CNN.
        UnknownVariant: no such variant.
    """
    if variant not in zoo.available():
        raise zoo.UnknownVariant(variant)
    published = zoo.available()[variant].config
    if not isinstance(published, MaskRcnnConfig):
        raise FolderError(f"{variant} is no Mask R-CNN: only those are trained on folders")
    examples, held_out = open_folder(root, _TRAINING_SEED)
    is_same_world = set(examples.categories) <= set(published.categories)
    categories = published.categories if is_same_world else examples.categories
    config = replace(published, categories=categories)
    return Plan(
        variant,
        MaskRcnnRecipe(
            config,
            canvases=((0, config.max_size),),
            start=fitting_weights(start, config, is_same_world=is_same_world),
        ),
        TrainConfig(steps=1000, batch_size=2, learning_rate=1e-4, warmup_steps=100),
        examples,
        held_out,
        min(unseen_count, len(held_out.records)),
        f"{len(examples.records)} annotated pictures of a folder in COCO's format; every tenth "
        "picture of the folder was held out.",
        _INSTANCES,
        {"categories": categories},
    )
