"""Every number of SiamMask; one constant a published variant and one for the demo world."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class SiamMaskConfig:
    """Architecture, input rule, and the parameters of inference and training.

    The defaults are the numbers of `siammask_davis`. Names of parameters follow the official code.

    Attributes:
        stem_channels, mid_channels, block_counts: of the trunk.
        norm_eps: of all norms.
        feature_channels: of template and search features and of all branches.
        has_refinement: masks come from the decoder that uses the trunk's levels, as large as the
            template; otherwise from the correlation alone, in `coarse_mask_size`.
        refine_channels: of the decoder at strides 2, 4 and 8.
        coarse_mask_size: side of the masks of the correlation alone, cells.
        template_size, search_size: sides of the network's two inputs, pixels.
        context_amount: of a target's sides, added around it.
        anchor_ratios: heights over widths. anchor_scale: sides, in strides of 8 pixels.
        penalty_k: how much a change of size or shape costs.
        window_influence: share of the window in a place's score: how much a jump costs.
        lr: how far a sure target's size follows.
        seg_thr: probability above which a pixel is on the target.
        min_side: a target's sides do not fall below it, pixels.
        visible_score: below it a target counts as lost.

    Source: SiamMask: utils/tracker_config.py, experiments/siammask_*/config*.json; differs:
        `visible_score` is ours: where the network rather sees background.
    """

    stem_channels: int = 64
    mid_channels: tuple[int, int, int] = (64, 128, 256)
    block_counts: tuple[int, int, int] = (3, 4, 6)
    norm_eps: float = 1e-5
    feature_channels: int = 256
    has_refinement: bool = True
    refine_channels: tuple[int, int, int] = (4, 16, 32)
    coarse_mask_size: int = 63

    template_size: int = 127
    search_size: int = 255
    context_amount: float = 0.5
    anchor_ratios: tuple[float, ...] = (0.33, 0.5, 1.0, 2.0, 3.0)
    anchor_scale: int = 8

    penalty_k: float = 0.04
    window_influence: float = 0.40
    lr: float = 1.0
    seg_thr: float = 0.35
    min_side: float = 10.0
    visible_score: float = 0.5

    @property
    def mask_size(self) -> int:
        """Side of a mask as the network gives it, cells."""
        return self.template_size if self.has_refinement else self.coarse_mask_size


DAVIS = SiamMaskConfig()
VOT = replace(DAVIS, window_influence=0.42, lr=0.25, seg_thr=0.30)
VOT_LD = replace(DAVIS, penalty_k=0.10, window_influence=0.41, lr=0.32, seg_thr=0.15)
BASE = replace(
    DAVIS, has_refinement=False, penalty_k=0.09, window_influence=0.39, lr=0.38, seg_thr=0.30
)

# Figures are few and flat: a quarter of the channels and fewer blocks. Widths are multiples of 16:
# of others oneDNN's bfloat16 gradients of dilated convolutions come out as NaN.
DEMO = replace(
    VOT,
    stem_channels=16,
    mid_channels=(16, 16, 32),
    block_counts=(1, 2, 2),
    feature_channels=64,
    refine_channels=(8, 16, 16),
)
