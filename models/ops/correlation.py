"""Cross-correlation of two feature maps (Bertinetto et al. 2016; Li et al. 2019)."""

import torch.nn.functional as F
from torch import Tensor


def correlate_depthwise(search: Tensor, kernels: Tensor) -> Tensor:
    """Slide each sample's own kernel over its features, channel by channel.

    Args:
        search: [b, c, h, w] floating.
        kernels: [b, c, kh, kw] of the same dtype, not larger than the features.

    Returns:
        [b, c, h - kh + 1, w - kw + 1] of the same dtype: sums of products, nothing is flipped.

    Source: SiamMask: models/siammask.py, DepthCorr; utils/conv2d_dw_group; differs: none.
    """
    batch, channels, height, width = search.shape
    folded = search.reshape(1, batch * channels, height, width)
    weight = kernels.reshape(batch * channels, 1, *kernels.shape[2:])
    correlation = F.conv2d(folded, weight, groups=batch * channels)
    return correlation.view(batch, channels, *correlation.shape[2:])
