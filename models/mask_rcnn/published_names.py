"""Names of the first published file, from before torchvision 0.13, and what they became."""

from collections.abc import Mapping
from types import MappingProxyType

OLD_TO_NEW: Mapping[str, str] = MappingProxyType(
    {
        "backbone.fpn.inner_blocks.0": "backbone.fpn.inner_blocks.0.0",
        "backbone.fpn.inner_blocks.1": "backbone.fpn.inner_blocks.1.0",
        "backbone.fpn.inner_blocks.2": "backbone.fpn.inner_blocks.2.0",
        "backbone.fpn.inner_blocks.3": "backbone.fpn.inner_blocks.3.0",
        "backbone.fpn.layer_blocks.0": "backbone.fpn.layer_blocks.0.0",
        "backbone.fpn.layer_blocks.1": "backbone.fpn.layer_blocks.1.0",
        "backbone.fpn.layer_blocks.2": "backbone.fpn.layer_blocks.2.0",
        "backbone.fpn.layer_blocks.3": "backbone.fpn.layer_blocks.3.0",
        "rpn.head.conv": "rpn.head.conv.0.0",
        "roi_heads.mask_head.mask_fcn1": "roi_heads.mask_head.0.0",
        "roi_heads.mask_head.mask_fcn2": "roi_heads.mask_head.1.0",
        "roi_heads.mask_head.mask_fcn3": "roi_heads.mask_head.2.0",
        "roi_heads.mask_head.mask_fcn4": "roi_heads.mask_head.3.0",
    }
)


def to_new_name(name: str) -> str:
    """Return a tensor's name as the network has it; new names stay as they are."""
    module, _, parameter = name.rpartition(".")
    return f"{OLD_TO_NEW.get(module, module)}.{parameter}"
