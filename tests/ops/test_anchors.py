import torch

from models.ops.anchors import cell_anchors, grid_anchors, pyramid_anchors
from tests.goldens import golden, needs_goldens

SIZES = (32, 64, 128, 256, 512)
RATIOS = (0.5, 1.0, 2.0)


@needs_goldens
def test_cell_anchors_are_the_official_ones() -> None:
    ours = torch.stack([cell_anchors(size, RATIOS) for size in SIZES])
    assert torch.equal(ours, torch.from_numpy(golden("mask_rcnn", "ops-anchors")["cell_anchors"]))


@needs_goldens
def test_pyramid_anchors_are_the_official_ones_with_the_odd_strides_of_the_last_level() -> None:
    official = golden("mask_rcnn", "ops-anchors")
    for row in official.meta["table"]:
        height, width = row["padded"]
        levels = pyramid_anchors(SIZES, RATIOS, (height, width), [tuple(g) for g in row["grids"]])
        assert [len(level) for level in levels] == row["counts"]
        step = 1 if row["stored"] == "all rows" else 53
        name = f"anchors_{height}x{width}"
        assert torch.equal(torch.cat(levels)[::step], torch.from_numpy(official[name]))
        assert torch.equal(levels[-1], torch.from_numpy(official[f"{name}_p6"]))


def test_pyramid_anchors_are_made_where_they_are_wanted() -> None:
    levels = pyramid_anchors(SIZES, RATIOS, (64, 64), [(16, 16)] * 5, torch.device("meta"))
    assert {level.device.type for level in levels} == {"meta"}


def test_halves_are_rounded_to_even() -> None:
    assert cell_anchors(5, [1.0]).tolist() == [[-2.0, -2.0, 2.0, 2.0]]
    assert cell_anchors(7, [1.0]).tolist() == [[-4.0, -4.0, 4.0, 4.0]]


def test_anchors_run_row_by_row_then_column_then_ratio() -> None:
    base = torch.tensor([[-1.0, -1.0, 1.0, 1.0], [-2.0, -2.0, 2.0, 2.0]])
    corners = grid_anchors(base, (2, 2), (10, 100))[:, :2]
    assert corners.tolist() == [
        [-1, -1], [-2, -2], [99, -1], [98, -2], [-1, 9], [-2, 8], [99, 9], [98, 8],
    ]  # fmt: skip
