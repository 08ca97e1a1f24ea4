"""Networks that turn pictures into masks, each agreeing number for number with its publication.

Map of the package, top may import lower only:

- `zoo`: the facade: which variants exist, `load` one. `catalogue`: the variants as data.
- `mask_rcnn`, `pointrend`, `deformable_detr`, `aot`, `siammask`: a folder a family, each with the
  same rooms: config, blocks, model, preprocess, postprocess, predictor, loss.
- `backbones`: trunks shared by families. `layers`: modules shared by families.
- `ops`: pure functions of tensors.
- `outputs`, `predictor`, `checkpoint`: leaves that everyone above may import.
- `rle`, `rle_labels`, `polygons`: mask formats, numpy only, so that a client can use them without
  torch.
- `training`: the demo world and the trainer; nothing that serves imports it.
- `demo`: the small weights in the repository and their cards.

Axes in docstrings: b batch, c channels, h w rows and columns, n objects, q queries, k classes,
l levels, p points, m heads, d head width, t frames. `[]` is a scalar, `[..., 4]` any prefix.
Sizes are (height, width), points (x, y), boxes carry their layout in the name.
"""
