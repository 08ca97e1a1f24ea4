"""AOT run stage by stage for comparison with the goldens; as a script, the table of it.

Recorded labels are fed back, so that a pixel that differs does not move all later frames.
"""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models import aot, checkpoint
from models.aot import AotPredictor, passes
from models.aot.lstt import position_embedding
from models.aot.postprocess import frame_logits
from models.aot.preprocess import grid_size
from models.aot.state import AotState
from models.layers.inference import prepare
from tests.goldens import Golden, golden, weights

FAMILY = "aot"
CONFIGS = {"aott": aot.T, "aots": aot.S, "aotb": aot.B, "aotl": aot.L, "r50_aotl": aot.R50_L}
CLIPS = ("aott-basic", "aots-14obj", "aotb-newobj", "aotl-longmem", "r50_aotl-rounding")
UNUSED_LOGIT = -1e10  # what the official code gives channels without an object


@cache
def load(name: str) -> AotPredictor:
    """The predictor with a golden's weights and gap."""
    meta = golden(FAMILY, name).meta
    config = replace(CONFIGS[meta["variant"]], long_term_gap=meta["long_term_mem_gap"])
    published = checkpoint.read(weights(FAMILY, meta))
    return aot.AotPredictor(prepare(aot.load_network(config, published), "cpu", torch.float32))


def objects(mask: np.ndarray) -> dict[int, np.ndarray]:
    """A label map as the objects that a caller draws."""
    return {int(value): mask == value for value in np.unique(mask) if value}


class Run:
    """One clip, or its first frames, with recorded labels fed back.

    Attributes:
        stages: every stage of every frame by its recorded name, whole, in the official layout.
        labels: of every frame but the first, as predicted from the recorded ones before.
        states: the session after every frame.
    """

    def __init__(
        self, name: str, predictor: AotPredictor | None = None, frames: int | None = None
    ) -> None:
        self._given, self._predictor = golden(FAMILY, name), predictor or load(name)
        self._model = self._predictor._model
        self._outputs: dict[str, Any] = {}
        self.stages: dict[str, np.ndarray] = {}
        self.labels: list[np.ndarray] = []
        self.states: list[AotState] = []
        hooks = [
            module.register_forward_hook(partial(self._keep, path))
            for path, module in self._model.named_modules()
        ]
        with torch.inference_mode():
            for index, frame in enumerate(self._given["frames"][:frames]):
                self.states.append(self._advance(index, frame) if index else self._start(frame))
                self._record_memory(index)
        for hook in hooks:
            hook.remove()

    def _keep(self, path: str, _: Any, inputs: tuple[Any, ...], output: Any) -> None:
        self._outputs[path] = output
        self._outputs[f"{path} <"] = inputs[0] if inputs else None

    def _record(self, index: int, name: str, stage: Tensor) -> None:
        self.stages[f"f{index:03}_{name}"] = stage.numpy()

    def _start(self, frame: np.ndarray) -> AotState:
        state, _ = self._predictor.start(frame, objects(self._given["mask_f000"]))
        position = position_embedding(grid_size(state.frame_size, self._model.config), 256)
        self._record(0, "pos_emb", position[:, None])
        identities = self._outputs["patch_wise_id_bank"]
        for group, one_hot in enumerate(self._outputs["patch_wise_id_bank <"]):
            self._record(0, f"one_hot_e{group}", one_hot)
            self._record(0, f"id_emb_e{group}", identities[group].flatten(1).T[:, None])
        self._record_outputs(0)
        return state

    def _advance(self, index: int, frame: np.ndarray) -> AotState:
        state = self.states[-1]
        seen = passes.propagate(self._model, [state], [frame])
        self._record_outputs(index)
        for name in ("in", "16x", "8x", "4x"):
            self._record(index, f"dec_conv_{name}", self._outputs[f"decoder.conv_{name}"])
        self._record_logits(index, state, seen.logits[0])
        before_merge = f"f{index:03}_label_before_merge"
        is_annotated = before_merge in self._given.arrays
        recorded = self._given[before_merge] if is_annotated else self._given["labels"][index]
        (groups,) = passes.remember(self._model, [state], seen, [torch.from_numpy(recorded)])
        state = AotState(frame, recorded, groups)
        if not is_annotated:
            return state
        drawn = objects(self._given[f"mask_f{index:03}"])
        return self._predictor.add_objects(state, frame, drawn)

    def _record_outputs(self, index: int) -> None:
        """What encoder and transformer gave out on the way."""
        levels = list(self._outputs["encoder"].values())
        self._record(index, "input", self._outputs["encoder <"])
        for name, level in zip(("4x", "8x", "16x", "last"), [*levels[:3], levels[-1]], strict=True):
            self._record(index, f"enc_{name}", level)
        self._record(index, "proj", self._outputs["encoder_projector"])
        for layer in range(self._model.config.layers):
            path = f"LSTT.layers.{layer}"
            tokens = {
                "self_attn": f"{path}.self_attn",
                "lt_attn": f"{path}.long_term_attn",
                "st_attn": f"{path}.short_term_attn",
                "layer": f"LSTT.decoder_norms.{layer} <",
            }
            for name, kept in tokens.items():
                self._record(index, f"{name}_{layer}", self._outputs[kept][0][:, None])
            for group, output in enumerate(self._outputs[f"LSTT.decoder_norms.{layer}"]):
                self._record(index, f"lstt_{layer}_e{group}", output[:, None])

    def _record_logits(self, index: int, state: AotState, logits: list[Tensor]) -> None:
        used = [group[: size + 1] for group, size in zip(logits, state.group_sizes, strict=True)]
        for group, own in enumerate(used):
            self._record(index, f"logits_4x_e{group}", own[None])
        full = torch.cat([*frame_logits(used, state.frame_size)], dim=1)
        unused = 1 + 10 * len(used) - len(full)
        full = F.pad(full, (0, 0, 0, 0, 0, unused), value=UNUSED_LOGIT)
        self._record(index, "logit_full", full[None])
        self._record(index, "prob", full.softmax(0)[None])
        self.labels.append(full.argmax(0).numpy())

    def _record_memory(self, index: int) -> None:
        state = self.states[-1]
        grid = grid_size(state.frame_size, self._model.config)
        for number, group in enumerate(state.groups):
            prefix = f"e{number}_" if number else ""
            for kind, field in (("k", "keys"), ("v", "values")):
                for layer in range(self._model.config.layers):
                    long_term = getattr(group.long_term, field)[layer]
                    self._record(index, f"{prefix}long_{kind}_{layer}", long_term[:, None])
                    short_term = getattr(group.short_term, field)[layer].T.unflatten(1, grid)
                    self._record(index, f"{prefix}short_{kind}_{layer}", short_term[None])


@cache
def run(name: str) -> Run:
    return Run(name)


def recorded_stages(name: str) -> list[str]:
    """The names of all stages that a golden records as numbers."""
    arrays = golden(FAMILY, name).arrays
    return [stage for stage in arrays if stage[:2] == "f0" and "label" not in stage]


def difference(given: Golden, stage: str, full: np.ndarray) -> float:
    """Largest absolute difference, in units of the recorded stage's spread."""
    stored = given[stage]
    ours = given.sliced(stage, full)
    assert ours.shape == stored.shape
    is_used = stored > UNUSED_LOGIT / 10
    return float(np.abs(ours - stored)[is_used].max() / stored[is_used].std())


if __name__ == "__main__":
    for clip in CLIPS:
        worst: dict[str, float] = {}
        for name in recorded_stages(clip):
            kind = name.split("_", 1)[1]
            apart = difference(golden(FAMILY, clip), name, run(clip).stages[name])
            worst[kind] = max(apart, worst.get(kind, 0))
        for kind, apart in worst.items():
            print(f"{clip:18} {kind:16} {apart:.1e}")  # noqa: T201
