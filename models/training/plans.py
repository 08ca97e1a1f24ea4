"""Which variants can be trained, on what and how: adding one is adding data here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from models import aot, deformable_detr, mask_rcnn, pointrend, siammask, zoo
from models.mask_rcnn.config import MaskRcnnConfig
from models.training import aot as aot_training
from models.training import deformable_detr as deformable_detr_training
from models.training import mask_rcnn as mask_rcnn_training
from models.training import pointrend as pointrend_training
from models.training import siammask as siammask_training
from models.training.aot import AotRecipe
from models.training.coco_folder import FolderError, open_folder
from models.training.deformable_detr import DeformableDetrRecipe
from models.training.examples import DemoClips, DemoExamples, Examples
from models.training.mask_rcnn import MaskRcnnRecipe, fitting_weights
from models.training.pointrend import PointRendRecipe
from models.training.scenes import FIGURES, THINGS, World
from models.training.siammask import SiamMaskRecipe
from models.training.trainer import Recipe, TrainConfig

_TRAINING_SEED, _UNSEEN_SEED = 1, 2
_DEMO_WORLD = (
    "Scenes of the demo world, drawn as they are needed: up to eight flat figures of six kinds "
    "(circle, square, triangle, star, cross, ring), plain or patterned, at most 45 % of one hidden "
    "by others, before plain, patterned, cloudy and photograph-like backgrounds, with noise, blur, "
    "JPEG artefacts and shifts of brightness and contrast. All were drawn by this project."
)
_DEMO_VIDEOS = (
    "Clips of videos, drawn as they are needed, half of them of the demo world: figures of six "
    "kinds that move, turn, grow and shrink, bounce off the frame or leave it and come back, and "
    "pass in front of each other before a trembling camera. In the other half blobs that change "
    "their outline move before a backdrop that moves as well, all covered with fractal noise, "
    "overlapping leaves or strokes. All were drawn by this project. The quality is that of the "
    "demo world, three figures a clip of 24 frames."
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
        unit: what an example is called, in the plural.
        data: what the examples are, for the card.
        judge: of its family.
        overrides: fields of the variant's config that differ.
    """

    variant: str
    recipe: Recipe
    config: TrainConfig
    examples: Examples[Any]
    unseen: Examples[Any]
    unseen_count: int
    unit: str
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
_MASKS_IN_TIME = Judge(
    aot_training.evaluate,
    "J: overlap of regions, F: agreement of boundaries, as DAVIS has them, mean over all objects "
    "and frames but the first, which is given, and the last",
)

_BOXES_IN_TIME = Judge(
    siammask_training.evaluate,
    "mean IoU: overlap of masks; success: share of boxes that overlap the true one by more than "
    "half; found: share reported as visible; all over the objects' seen frames but the first, "
    "whose box is given",
)


_SMALL = World(short_side=(112, 320), max_aspect=1.3)


def _on_pictures(
    variant: str, recipe: Recipe, config: TrainConfig, judge: Judge, world: World = _SMALL
) -> Plan:
    """A plan on scenes of the demo world; it is judged on scenes of all sizes."""
    return Plan(
        variant,
        recipe,
        config,
        DemoExamples(_TRAINING_SEED, world),
        DemoExamples(_UNSEEN_SEED, World()),
        400,
        "pictures",
        _DEMO_WORLD,
        judge,
        overrides={},
    )


def _on_clips(
    variant: str,
    recipe: Recipe,
    config: TrainConfig,
    judge: Judge,
    worlds: Sequence[World],
    spacing: tuple[int, int],
) -> Plan:
    """A plan on videos of several worlds in turn; it is judged on the demo world.

    Clips to train on have so many frames, with so many between two of them at most.
    """
    return Plan(
        variant,
        recipe,
        config,
        DemoClips(_TRAINING_SEED, worlds, *spacing),
        DemoClips(_UNSEEN_SEED, (World(figures=(3, 3)),), length=24, video_frames=(24, 24)),
        40,
        "clips",
        _DEMO_VIDEOS,
        judge,
        overrides={},
    )


_FAR = World(short_side=(112, 200), max_aspect=1.6, figures=(1, 5))
# Small frames, yet figures of several cells of a network that sees one in 16 pixels.
_NEAR = replace(_FAR, short_side=(112, 224), look=replace(FIGURES, radii=(0.11, 0.45)))


_FROM_NOTHING: Mapping[str, Plan] = MappingProxyType(
    {
        plan.variant: plan
        for plan in (
            _on_pictures(
                "mask_rcnn_demo",
                MaskRcnnRecipe(mask_rcnn.DEMO, canvases=((0, 160), (0.45, 192), (0.8, 224))),
                TrainConfig(steps=4500, learning_rate=1.5e-3),
                _INSTANCES,
            ),
            _on_pictures(
                "pointrend_demo",
                PointRendRecipe(
                    pointrend.DEMO, sides=((0, 160), (0.27, 224), (0.62, 288), (0.78, 352))
                ),
                TrainConfig(steps=11500, learning_rate=2e-3, autocast=True),
                _LABEL_MAPS,
                replace(_SMALL, short_side=(128, 448)),
            ),
            _on_pictures(
                "deformable_detr_demo",
                DeformableDetrRecipe(
                    deformable_detr.DEMO, canvases=((0, 128), (0.4, 160), (0.75, 224))
                ),
                TrainConfig(steps=11000, learning_rate=1e-3, warmup_steps=500, autocast=True),
                _BOXES,
                # Boxes are shares of the picture's sides: other shapes are another task.
                replace(_SMALL, max_aspect=2.0),
            ),
            _on_clips(
                "aot_demo",
                AotRecipe(aot.DEMO, sides=((0, 113), (0.45, 161), (0.8, 225))),
                TrainConfig(steps=4000, batch_size=4),
                _MASKS_IN_TIME,
                worlds=(_NEAR, replace(_NEAR, look=replace(THINGS, radii=(0.12, 0.5)))),
                spacing=(4, 6),
            ),
            _on_clips(
                "siammask_demo",
                SiamMaskRecipe(siammask.DEMO, sides=((0, 191), (0.87, 255))),
                TrainConfig(steps=2300, batch_size=6, learning_rate=2e-3, autocast=True),
                _BOXES_IN_TIME,
                worlds=(_FAR, replace(_FAR, look=THINGS)),
                spacing=(2, 8),
            ),
        )
    }
)


def demo_variants() -> list[str]:
    """Return the variants that can be trained from nothing."""
    return list(_FROM_NOTHING)


def demo_plan(variant: str) -> Plan:
    """Return how a demo variant comes from nothing; it is judged on the whole demo world.

    Raises:
        KeyError: no such demo variant.
    """
    return _FROM_NOTHING[variant]


def folder_plan(variant: str, root: Path, start: Mapping[str, Tensor]) -> Plan:
    """Return how a Mask R-CNN goes on from weights on a folder of annotated pictures.

    Args:
        variant: a name of the zoo.
        root: a folder in COCO's format.
        start: [any] floating, under the published names.

    Raises:
        FolderError: the folder is not in COCO's format, or the variant is no Mask R-CNN.
    """
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
        len(held_out.records),
        "pictures",
        f"{len(examples.records)} annotated pictures of a folder in COCO's format; every tenth "
        "picture of the folder was held out.",
        _INSTANCES,
        {"categories": categories},
    )
