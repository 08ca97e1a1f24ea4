"""Every number of AOT; one constant a published variant and one for the demo world."""

from dataclasses import dataclass, replace

from models.backbones import mobilenet_v2
from models.layers.norm import NormKind


@dataclass(frozen=True)
class MobileNetWidths:
    """Widths of a MobileNetV2 trunk; see `models.backbones.mobilenet_v2.MobileNetV2`."""

    stages: tuple[mobilenet_v2.Stage, ...] = mobilenet_v2.STAGES
    stem_channels: int = 32
    last_channels: int = 1280


@dataclass(frozen=True)
class ResNetWidths:
    """Widths of a residual trunk without its last stage; see `models.backbones.resnet.ResNet`."""

    stem_channels: int = 64
    mid_channels: tuple[int, ...] = (64, 128, 256)
    block_counts: tuple[int, ...] = (3, 4, 6)


@dataclass(frozen=True)
class AotConfig:
    """Architecture, input rule, and the parameters of inference and training.

    The defaults are the numbers of `aot_l`.

    Attributes:
        encoder: widths of the trunk.
        norm, norm_eps: of the trunk.
        embedding_channels: of tokens, keys, values and identities.
        layers: of the transformer.
        heads: of every attention.
        feed_forward_channels: inside a layer.
        feed_forward_groups: of the group norm there.
        window_radius: cells that short-term attention looks beyond its own, on each side.
        decoder_channels: of the decoder's convolutions at strides 16, 8 and 4.
        decoder_groups: of the group norms there.
        group_objects: objects that one pass through the transformer follows; more make groups.
        long_term_gap, long_term_gap_train: a frame is memorised when so many have passed since the
            last one.
        max_long_term_frames: frames that the long-term memory holds at most; the oldest that nobody
            annotated goes first. None: no limit, as published.
        min_long_edge, max_long_edge: frames shorter are enlarged, longer ones shrunk, pixels.
        image_mean, image_std: of RGB in [0, 1].
        hard_share: of pixels, the worst, that the loss is made of at the end of bootstrapping.
        drop_path: share of a training batch's samples that skip a residual branch.

    Source: aot-benchmark: configs/default.py, configs/models/*.py; differs: the limit of the
        long-term memory.
    """

    encoder: MobileNetWidths | ResNetWidths = MobileNetWidths()
    norm: NormKind = "frozen"
    norm_eps: float = 1e-5

    embedding_channels: int = 256
    layers: int = 3
    heads: int = 8
    feed_forward_channels: int = 1024
    feed_forward_groups: int = 32
    window_radius: int = 7
    decoder_channels: tuple[int, int, int] = (256, 128, 128)
    decoder_groups: int = 8
    group_objects: int = 10

    long_term_gap: int = 5
    long_term_gap_train: int = 2
    # At the published gap a hundred frames; 0.2 GB a session of 480p video.
    max_long_term_frames: int | None = 20

    min_long_edge: float = 0.0
    max_long_edge: float = 1040.0
    image_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    image_std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    hard_share: float = 0.15
    drop_path: float = 0.1


_FIRST_FRAME_ONLY = 9999

L = AotConfig()
B = replace(L, long_term_gap=_FIRST_FRAME_ONLY, long_term_gap_train=_FIRST_FRAME_ONLY)
S = replace(B, layers=2)
T = replace(B, layers=1)
R50_L = replace(L, encoder=ResNetWidths())

# Figures are 12 to 50 % of a frame's shorter side across; frames are 128 to 640 pixels a side. From
# frame to frame they move by less than a sixth of it.
DEMO = AotConfig(
    encoder=MobileNetWidths(
        stages=(
            mobilenet_v2.Stage(1, 16, 1, 1),
            mobilenet_v2.Stage(3, 24, 2, 2),
            mobilenet_v2.Stage(3, 32, 2, 2),
            mobilenet_v2.Stage(4, 48, 2, 2),
            mobilenet_v2.Stage(4, 64, 1, 1),
        ),
        stem_channels=16,
        last_channels=128,
    ),
    norm="batch",
    embedding_channels=128,
    layers=2,
    heads=4,
    feed_forward_channels=256,
    window_radius=4,
    decoder_channels=(96, 64, 32),
    min_long_edge=385.0,
    max_long_edge=385.0,
    drop_path=0.0,
)
