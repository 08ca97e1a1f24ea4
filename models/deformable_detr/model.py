"""Deformable DETR (Zhu et al. 2021): image tensors to named raw outputs."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.backbones.resnet import Layout, ResNet
from models.deformable_detr.config import DeformableDetrConfig
from models.deformable_detr.heads import build_heads
from models.deformable_detr.position import TokenGrid
from models.deformable_detr.transformer import Transformer
from models.deformable_detr.two_stage import Proposals
from models.layers.norm import build_norm


@dataclass(frozen=True)
class RawOutputs:
    """What the network says of every query, after each of i decoder layers.

    Attributes:
        class_logits: [i, b, q, k] float32.
        boxes_cxcywh_norm: [i, b, q, 4] float32, in [0, 1], of the unpadded picture.
        proposals: of the encoder's tokens, None unless the network has two stages.
    """

    class_logits: Tensor
    boxes_cxcywh_norm: Tensor
    proposals: Proposals | None


class DeformableDetr(nn.Module):
    """The whole network.

    Args:
        config: every number.

    Source: Deformable-DETR deformable_detr.py, DeformableDETR; differs: resizing and the choice of
        detections live in the rooms beside it.
    """

    def __init__(self, config: DeformableDetrConfig) -> None:
        super().__init__()
        self.config = config
        body = ResNet(
            config.stem_channels,
            config.mid_channels,
            config.block_counts,
            build_norm(config.norm, config.norm_eps),
            Layout(dilated_stages=config.dilated_stages),
        )
        # The published files call the trunk "backbone.0.body".
        self.backbone = nn.ModuleList([nn.ModuleDict({"body": body})])
        self.input_proj = _build_projections(config, body.out_channels)
        self.transformer = Transformer(config)
        if not config.is_two_stage:
            self.query_embed = nn.Embedding(config.query_count, 2 * config.channels)
        self.class_embed, self.bbox_embed = build_heads(config)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(not name.startswith(config.frozen))

    def forward(self, images: Tensor, padding_mask: Tensor) -> RawOutputs:
        """Return classes and boxes of every query.

        Args:
            images: [b, 3, h, w] floating, normalised, zeros where padded.
            padding_mask: [b, h, w] bool, True = padding.
        """
        levels = self.levels(images)
        shapes = [(level.shape[2], level.shape[3]) for level in levels]
        grid = TokenGrid.build(padding_mask, shapes)
        transformer, config = self.transformer, self.config
        memory = transformer.encode(levels, grid)
        proposals = None
        if config.is_two_stage:
            proposals = transformer.propose(memory, grid, self.class_embed[-1], self.bbox_embed[-1])
            queries = transformer.proposed_queries(proposals, config.query_count)
        else:
            queries = transformer.learnt_queries(self.query_embed.weight, len(images))
        contents, boxes = transformer.decoder(queries, memory, grid, self.bbox_embed)
        logits = [
            self.class_embed[index if config.is_refined else 0](content)
            for index, content in enumerate(contents)
        ]
        return RawOutputs(torch.stack(logits).float(), boxes, proposals)

    def levels(self, images: Tensor) -> list[Tensor]:
        """Return the maps that are attended to, finest first.

        Args:
            images: [b, 3, h, w] floating, normalised.

        Returns:
            [b, c, h, w] of the same dtype each.
        """
        features = self.get_submodule("backbone.0.body")(images)
        names = self.config.trunk_levels
        levels = [
            projection(features[name])
            for projection, name in zip(self.input_proj, names, strict=False)
        ]
        coarsest = features[names[-1]]
        for projection in list(self.input_proj)[len(names) :]:
            coarsest = projection(coarsest)
            levels.append(coarsest)
        return levels


def _build_projections(config: DeformableDetrConfig, trunk_channels: list[int]) -> nn.ModuleList:
    """A convolution and a norm a level; extra levels halve the last output of the trunk."""
    in_channels = [trunk_channels[int(name[1:]) - 2] for name in config.trunk_levels]
    convs = [nn.Conv2d(channels, config.channels, 1) for channels in in_channels]
    channels = in_channels[-1]
    for _ in range(config.extra_levels):
        convs.append(nn.Conv2d(channels, config.channels, 3, stride=2, padding=1))
        channels = config.channels
    for conv in convs:
        nn.init.xavier_uniform_(conv.weight)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
    norms = [nn.GroupNorm(config.groups, config.channels) for _ in convs]
    return nn.ModuleList(nn.Sequential(conv, norm) for conv, norm in zip(convs, norms, strict=True))
