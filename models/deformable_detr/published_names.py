"""How the published files name the network's weights: the authors' way, or Hugging Face's.

The network itself follows the authors. Their files name some heads twice, and files may hold any
one of the names of a shared tensor: a head that all layers share, or the box and class heads that
the authors' decoder holds as well.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from models.checkpoint import CheckpointError
from models.deformable_detr.config import DeformableDetrConfig

# Beginning of all names but the heads' in files of Hugging Face's naming.
_HUGGING_FACE = "model."
# Left behind by a profiler of the authors.
_COUNTERS = ("total_params", "total_ops")

_HEAD = re.compile(r"(transformer\.decoder\.)?(class_embed|bbox_embed)\.(\d+)\.(.+)")

_LAYER = r"model\.{}coder\.layers\.(\d+)\."
_ENCODER, _DECODER = _LAYER.format("en"), _LAYER.format("de")
_ATTENTION = r"\.((?:sampling_offsets|attention_weights|value_proj|output_proj)\..+)"
_ONLY = "reference_points|enc_output|enc_output_norm|pos_trans|pos_trans_norm"

# Hugging Face's name -> the authors'; patterns are of whole names.
_ROWS = (
    (r"model\.backbone\.conv_encoder\.model\.(.+)", r"backbone.0.body.\1"),
    (r"model\.(input_proj\..+)", r"\1"),
    (r"model\.query_position_embeddings\.weight", "query_embed.weight"),
    (rf"model\.(level_embed|(?:{_ONLY})\..+)", r"transformer.\1"),
    (_ENCODER + "self_attn" + _ATTENTION, r"transformer.encoder.layers.\1.self_attn.\2"),
    (_ENCODER + r"self_attn_layer_norm\.(.+)", r"transformer.encoder.layers.\1.norm1.\2"),
    (_ENCODER + r"final_layer_norm\.(.+)", r"transformer.encoder.layers.\1.norm2.\2"),
    (_ENCODER + r"fc([12])\.(.+)", r"transformer.encoder.layers.\1.linear\2.\3"),
    (_DECODER + r"(self_attn\.out_proj\..+)", r"transformer.decoder.layers.\1.\2"),
    (_DECODER + "encoder_attn" + _ATTENTION, r"transformer.decoder.layers.\1.cross_attn.\2"),
    # The decoder's norms are numbered as its authors declared them, not as they are used.
    (_DECODER + r"encoder_attn_layer_norm\.(.+)", r"transformer.decoder.layers.\1.norm1.\2"),
    (_DECODER + r"self_attn_layer_norm\.(.+)", r"transformer.decoder.layers.\1.norm2.\2"),
    (_DECODER + r"final_layer_norm\.(.+)", r"transformer.decoder.layers.\1.norm3.\2"),
    (_DECODER + r"fc([12])\.(.+)", r"transformer.decoder.layers.\1.linear\2.\3"),
    (r"model\.(decoder\.(?:class|bbox)_embed\..+)", r"transformer.\1"),
)
# Three tensors of Hugging Face's, in this order, are one of the authors', row after row.
_THIRDS = ("q", "k", "v")
_THIRD = re.compile(_DECODER + r"self_attn\.([qkv])_proj\.(weight|bias)")


def to_own_names(weights: Mapping[str, Tensor], config: DeformableDetrConfig) -> dict[str, Tensor]:
    """Return weights under the network's names; names that nobody published stay as they are.

    Args:
        weights: [any] floating, under the names of either publication.
        config: of the network.

    Raises:
        CheckpointError: one of three parts of a tensor is missing or misshapen, or two names of
            one tensor hold different numbers.
    """
    named = {name: tensor for name, tensor in weights.items() if not name.endswith(_COUNTERS)}
    if any(name.startswith(_HUGGING_FACE) for name in named):
        named = _to_authors_names(named)
    own: dict[str, Tensor] = {}
    for name, tensor in named.items():
        known = own.setdefault(_owner(name, config), tensor)
        if known is not tensor and not torch.equal(known, tensor):
            owner = _owner(name, config)
            raise CheckpointError(f"{name} and {owner} are one tensor, but the numbers differ")
    return own


def _to_authors_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in weights.items():
        third = _THIRD.fullmatch(name)
        if third is None:
            renamed[_authors_name(name)] = tensor
            continue
        whole = f"transformer.decoder.layers.{third[1]}.self_attn.in_proj_{third[3]}"
        if whole not in renamed:
            names = [name.replace(f".{third[2]}_proj.", f".{letter}_proj.") for letter in _THIRDS]
            renamed[whole] = _join_thirds(weights, names)
    return renamed


def _authors_name(name: str) -> str:
    for pattern, replacement in _ROWS:
        match = re.fullmatch(pattern, name)
        if match is not None:
            return match.expand(replacement)
    return name


def _join_thirds(weights: Mapping[str, Tensor], names: list[str]) -> Tensor:
    missing = [name for name in names if name not in weights]
    if missing:
        raise CheckpointError(f"of {', '.join(names)} there is no {' and no '.join(missing)}")
    thirds = [weights[name] for name in names]
    if any(third.shape != thirds[0].shape for third in thirds):
        shapes = ", ".join(str(list(third.shape)) for third in thirds)
        raise CheckpointError(f"{', '.join(names)} should be of one shape, not {shapes}")
    return torch.cat(thirds)


def _owner(name: str, config: DeformableDetrConfig) -> str:
    """The name under which the network holds a head, or the name itself."""
    head = _HEAD.fullmatch(name)
    if head is None:
        return name
    decoder, kind, layer, rest = head.groups()
    if config.is_refined:
        return f"{kind}.{layer}.{rest}"
    if decoder is None and int(layer) < config.decoder_layers:
        return f"{kind}.0.{rest}"
    return name
