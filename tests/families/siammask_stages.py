"""SiamMask run stage by stage for comparison with the goldens; as a script, the table of it."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import checkpoint, siammask
from models.layers.inference import prepare
from models.siammask import SiamMask, SiamMaskPredictor
from models.siammask.model import SearchOutputs
from models.siammask.preprocess import (
    border_colour,
    centre_and_size,
    context_side,
    crop,
    search_window,
    to_input,
)
from models.siammask.state import SiamMaskState
from tests.goldens import Golden, golden, weights

FAMILY = "siammask"
CONFIGS = {"net-sharp": siammask.DAVIS, "net-base": siammask.BASE, "track-davis": siammask.DAVIS}
_BLOCKS = {
    "conv1": "features.features.conv1",
    "p1": "features.features.layer1",
    "layer2_0": "features.features.layer2.0",
    "p2": "features.features.layer2",
    "layer3_0": "features.features.layer3.0",
    "layer3_1": "features.features.layer3.1",
    "p3": "features.features.layer3",
    "adjust_uncropped": "features.downsample.downsample",
}
_BRANCHES = {"cls": "rpn_model.cls", "loc": "rpn_model.loc", "mask": "mask_model.mask"}


def box_xyxy(box_xywh: Sequence[float]) -> np.ndarray:
    x, y, width, height = box_xywh
    return np.array([x, y, x + width, y + height], dtype=np.float64)


def build(name: str) -> SiamMask:
    """The network with a golden's weights, its norms not folded."""
    with torch.device("meta"):
        model = SiamMask(CONFIGS[name])
    checkpoint.load_strict(model, checkpoint.read(weights(FAMILY, golden(FAMILY, name).meta)))
    return model.eval().requires_grad_(requires_grad=False)


@cache
def predictor(name: str) -> SiamMaskPredictor:
    """The same ready for inference."""
    published = checkpoint.read(weights(FAMILY, golden(FAMILY, name).meta))
    return siammask.SiamMaskPredictor(
        prepare(siammask.load_network(CONFIGS[name], published), "cpu", torch.float32)
    )


def crops(name: str) -> tuple[Tensor, Tensor]:
    """The template and the search window of a golden's two frames, [m, m, 3] uint8, RGB."""
    given, config = golden(FAMILY, name), CONFIGS[name]
    first, second = (torch.from_numpy(given[f"frame_{side}"]) for side in "zx")
    position, size = centre_and_size(tuple(box_xyxy(given.meta["box_xywh"]).tolist()))
    border = border_colour(first)
    window = search_window(position, size, config)
    return (
        crop(first, position, (round(context_side(size, config)), config.template_size), border),
        crop(second, position, (window.side, config.search_size), border),
    )


class Run:
    """One template and one search window through the network.

    Attributes:
        stages: every recorded stage by its name, whole, in the official layout.
    """

    def __init__(self, name: str, spoil: Callable[[SiamMask], None] | None = None) -> None:
        self.stages: dict[str, np.ndarray] = {}
        self._outputs: dict[str, Any] = {}
        self._given = golden(FAMILY, name)
        model = build(name)
        if spoil:
            spoil(model)
        for path, module in model.named_modules():
            module.register_forward_hook(partial(self._keep, path))
        template, search = (
            to_input([torch.from_numpy(self._given[f"{side}_crop_bgr"]).flip(2)], torch.zeros(1))
            for side in "zx"
        )
        with torch.inference_mode():
            kernels = model.template_kernels(template)
            self._record_trunk("z")
            self._record("zf", self._outputs["features"].embedding)
            self._record_branches("kernel", kernels)
            outputs = model.search(search, kernels)
            self._record_trunk("x")
            self._record("xf", self._outputs["features"].embedding)
            self._record_search(model, outputs)
            for index, cell in enumerate(self._given.meta["refine_positions_row_col"]):
                self._record_mask(model, outputs, index, cell)

    def _keep(self, path: str, _: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self._outputs[path] = output
        if isinstance(output, Tensor):
            self._outputs[path] = output.clone()
            self._outputs[f"{path} <"] = inputs[0]

    def _record(self, name: str, stage: Tensor) -> None:
        self.stages[name] = stage.numpy()

    def _record_trunk(self, side: str) -> None:
        p0 = self._outputs["features.features"]["p0"]
        self._record(f"{side}_p0", p0)
        self._record(f"{side}_pool", F.max_pool2d(p0, 3, stride=2, padding=1))
        for name, path in _BLOCKS.items():
            self._record(f"{side}_{name}", self._outputs[path])

    def _record_branches(self, name: str, stacked: Tensor) -> None:
        for branch, own in zip(_BRANCHES, stacked.unbind(1), strict=True):
            self._record(f"{branch}_{name}", own)

    def _record_search(self, model: SiamMask, outputs: SearchOutputs) -> None:
        for branch, path in _BRANCHES.items():
            searched = F.relu(self._outputs[f"{path}.conv_search.1"])
            self._record(f"{branch}_search", searched)
            if branch != "mask":
                self._record(f"{branch}_corr", self._outputs[f"{path}.head.0 <"])
        self._record("mask_corr", outputs.correlation)
        self._record("cls", outputs.class_logits.flatten(1, 2))
        self._record("loc", outputs.box_deltas.flatten(1, 2))
        self._record("mask_head", model.mask_model.mask.read(outputs.correlation))

    def _record_mask(
        self, model: SiamMask, outputs: SearchOutputs, index: int, cell: list[int]
    ) -> None:
        logits = model.mask_logits(outputs, torch.tensor([0]), torch.tensor([cell]))
        self._record(f"refine_out_pos{index}", logits)
        if index:
            return
        row, column = cell
        self._record("refine_p3", outputs.correlation[:, :, row, column])
        for part in ("deconv", "h2", "v2", "post0", "h1", "v1", "post1", "h0", "v0"):
            self._record(f"refine_{part}", self._outputs[f"refine_model.{part}"])
        for level in range(3):
            self._record(f"refine_p{level}", self._outputs[f"refine_model.v{level}.0 <"])
        self._record("refine_sum2_up31", self._outputs["refine_model.post0 <"])
        self._record("refine_sum0_up127", self._outputs["refine_model.post2 <"])


@cache
def run(name: str) -> Run:
    return Run(name)


def recorded_stages(name: str) -> list[str]:
    """The names of all stages that a golden records as numbers."""
    arrays = golden(FAMILY, name).arrays
    return [stage for stage, array in arrays.items() if array.dtype == np.float32]


def difference(given: Golden, stage: str, full: np.ndarray) -> float:
    """Largest absolute difference, relative where the recorded stage exceeds 1."""
    stored, ours = given[stage], given.sliced(stage, full)
    assert ours.shape == stored.shape
    return float(np.abs(ours - stored).max() / max(1.0, np.abs(stored).max()))


def follow(
    tracker: SiamMaskPredictor, given: Golden, frames: int | None = None
) -> list[SiamMaskState]:
    """The session of a golden's clip after every frame but the first."""
    state, _ = tracker.start(given["frames"][0], {1: box_xyxy(given.meta["boxes_xywh"][0])})
    states = []
    for frame in given["frames"][1:frames]:
        (step,) = tracker.step([state], [frame])
        state = step.state
        states.append(state)
    return states


if __name__ == "__main__":
    for net in ("net-sharp", "net-base"):
        for recorded in recorded_stages(net):
            apart = difference(golden(FAMILY, net), recorded, run(net).stages[recorded])
            print(f"{net:10} {recorded:18} {apart:.1e}")  # noqa: T201
