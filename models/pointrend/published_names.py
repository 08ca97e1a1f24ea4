"""Names of the published files and what they are called here: one table a publication.

A name is translated by the table's rows from top to bottom; a row replaces a part of the name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Naming:
    """How one publication calls the tensors.

    Attributes:
        marker: beginning of names that only its files have.
        rows: parts of names, published and ours.
        ignored: beginnings of names that nothing here needs.
        may_lack_point_head: files without a point head are published.
    """

    marker: str
    rows: Rows
    ignored: tuple[str, ...] = ()
    may_lack_point_head: bool = False


POINTREND_DEEPLABV3 = Naming(
    marker="backbone.backbone.",
    rows=(
        ("backbone.backbone.", "trunk."),
        ("backbone.classifier.", "coarse_head."),
        ("head.mlp.", "point_head.predictor."),
    ),
)

TORCHVISION = Naming(
    marker="classifier.",
    rows=(
        ("backbone.", "trunk."),
        ("head.mlp.", "point_head.predictor."),
        ("classifier.", "coarse_head."),
    ),
    ignored=("aux_classifier.",),
    may_lack_point_head=True,
)

DETECTRON2 = Naming(
    marker="backbone.bottom_up.",
    rows=(
        ("backbone.bottom_up.stem.", "trunk."),
        ("backbone.bottom_up.res2.", "trunk.layer1."),
        ("backbone.bottom_up.res3.", "trunk.layer2."),
        ("backbone.bottom_up.res4.", "trunk.layer3."),
        ("backbone.bottom_up.res5.", "trunk.layer4."),
        (".shortcut.norm.", ".downsample.1."),
        (".shortcut.", ".downsample.0."),
        (".conv1.norm.", ".bn1."),
        (".conv2.norm.", ".bn2."),
        (".conv3.norm.", ".bn3."),
        ("backbone.fpn_lateral2.", "neck.inner_blocks.0.0."),
        ("backbone.fpn_lateral3.", "neck.inner_blocks.1.0."),
        ("backbone.fpn_lateral4.", "neck.inner_blocks.2.0."),
        ("backbone.fpn_lateral5.", "neck.inner_blocks.3.0."),
        ("backbone.fpn_output2.", "neck.layer_blocks.0.0."),
        ("backbone.fpn_output3.", "neck.layer_blocks.1.0."),
        ("backbone.fpn_output4.", "neck.layer_blocks.2.0."),
        ("backbone.fpn_output5.", "neck.layer_blocks.3.0."),
        ("sem_seg_head.coarse_sem_seg_head.", "coarse_head."),
        ("coarse_head.p2.0.", "coarse_head.scale_heads.0.0.0."),
        ("coarse_head.p3.0.", "coarse_head.scale_heads.1.0.0."),
        ("coarse_head.p4.0.", "coarse_head.scale_heads.2.0.0."),
        ("coarse_head.p4.2.", "coarse_head.scale_heads.2.2.0."),
        ("coarse_head.p5.0.", "coarse_head.scale_heads.3.0.0."),
        ("coarse_head.p5.2.", "coarse_head.scale_heads.3.2.0."),
        ("coarse_head.p5.4.", "coarse_head.scale_heads.3.4.0."),
        (".0.norm.", ".1."),
        ("sem_seg_head.point_head.fc1.", "point_head.layers.0."),
        ("sem_seg_head.point_head.fc2.", "point_head.layers.1."),
        ("sem_seg_head.point_head.fc3.", "point_head.layers.2."),
        ("sem_seg_head.point_head.", "point_head."),
    ),
    ignored=("pixel_mean", "pixel_std"),
)

MMSEGMENTATION = Naming(
    marker="decode_head.",
    rows=(
        ("backbone.stem.", "trunk.conv1."),
        ("backbone.layer", "trunk.layer"),
        ("neck.lateral_convs.", "neck.inner_blocks."),
        ("neck.fpn_convs.", "neck.layer_blocks."),
        ("decode_head.0.conv_seg.", "coarse_head.predictor."),
        ("decode_head.0.", "coarse_head."),
        ("decode_head.1.fcs.0.conv.", "point_head.layers.0."),
        ("decode_head.1.fcs.1.conv.", "point_head.layers.1."),
        ("decode_head.1.fcs.2.conv.", "point_head.layers.2."),
        ("decode_head.1.fc_seg.", "point_head.predictor."),
        (".conv.", ".0."),
        (".bn.", ".1."),
    ),
    ignored=("auxiliary_head.",),
)

# Converted from a file without a point head, ours has none either.
OURS = Naming(marker="trunk.", rows=(), may_lack_point_head=True)

NAMINGS = (POINTREND_DEEPLABV3, TORCHVISION, DETECTRON2, MMSEGMENTATION)


def recognise(weights: Mapping[str, Tensor]) -> Naming:
    """Return the naming of a file's tensors, ours if it is no published one.

    Args:
        weights: [any] by name.
    """
    return next(
        (naming for naming in NAMINGS if any(name.startswith(naming.marker) for name in weights)),
        OURS,
    )


def translate(weights: Mapping[str, Tensor], naming: Naming) -> dict[str, Tensor]:
    """Return the tensors under our names, without those that nothing here needs.

    Args:
        weights: [any] by published name.
        naming: of that publication.
    """
    return {
        _our_name(name, naming.rows): tensor
        for name, tensor in weights.items()
        if not name.startswith(naming.ignored)
    }


def _our_name(name: str, rows: Rows) -> str:
    for published, ours in rows:
        name = name.replace(published, ours)
    return name
