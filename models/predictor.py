"""The contract between a loaded network and whoever runs it; nothing here knows a family."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor

from models.outputs import InstanceMasks, TrackState, TrackStep

Prompt = Literal["mask", "box"]


@dataclass(frozen=True)
class Category:
    """What a label of the network means.

    Attributes:
        id: the published category id (COCO: 1 to 90 with gaps).
        name: the published name, lower case.
        colour: (red, green, blue) in which the data set draws it, None if it has none.
    """

    id: int
    name: str
    colour: tuple[int, int, int] | None = None


@runtime_checkable
class ImagePredictor(Protocol):
    """A network on its device: uint8 pictures in, one output a picture out.

    It holds no picture and no request: calls from one thread at a time, any order, give the same
    answers.
    """

    @property
    def categories(self) -> Mapping[int, Category]:
        """Label as found in outputs -> category, in rising label order."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of the network's parameters and buffers, on its device."""
        ...

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return the (height, width) that a picture of `image_size` has when the network sees it.

        Pictures of equal input shape can share a forward pass without changing one another.
        """
        ...

    def predict(self, images: Sequence[np.ndarray], *_: Any, **options: Any) -> list[Any]:
        """Return one output of `models.outputs` for each picture, in order.

        Args:
            images: each [h, w, 3] uint8, RGB.
            options: the family's own, equal for all pictures of the call.
        """
        ...


@dataclass(frozen=True)
class BoxPrompts:
    """Boxes that a caller points out in one picture.

    Attributes:
        boxes_xyxy: [n, 4] floating, pixels of the picture, of some area; cut to the picture.
        labels: what is in each box, None where the network shall say; empty: it says so for all.
    """

    boxes_xyxy: npt.NDArray[np.floating[Any]]
    labels: tuple[int | None, ...] = ()


@runtime_checkable
class BoxSegmenter(ImagePredictor, Protocol):
    """An image predictor that also makes instances of boxes that it is given."""

    def segment_boxes(
        self,
        images: Sequence[np.ndarray],
        prompts: Sequence[BoxPrompts],
        *,
        labels: Collection[int] | None = None,
    ) -> list[InstanceMasks]:
        """Return one instance a box of each picture, in the order of the boxes.

        The mask is of what is inside the box, the score the probability of the label there.

        Args:
            images: each [h, w, 3] uint8, RGB.
            prompts: one record a picture.
            labels: where a box comes without a label, it is one of these; None: any.

        Raises:
            ValueError: no such pictures, boxes or labels.
        """
        ...


@runtime_checkable
class VideoPredictor(Protocol):
    """A network that follows objects through a video: a state and a frame in, the next state out.

    It holds no session: all that one knows is its state, a value. A state is never changed, so an
    earlier one may be gone on from again. Calls from one thread at a time.
    """

    @property
    def prompts(self) -> frozenset[Prompt]:
        """What may tell it an object."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of the network's parameters and buffers, on its device."""
        ...

    def input_shape(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return the (height, width) that a frame of `image_size` has when the network sees it.

        Sessions of equal input shape can share a step without changing one another.
        """
        ...

    def start(
        self, frame: np.ndarray, objects: Mapping[int, npt.NDArray[Any]]
    ) -> tuple[TrackState, TrackStep]:
        """Return a session at its first frame, and what it reports there.

        Args:
            frame: [h, w, 3] uint8, RGB.
            objects: id above 0 -> mask [h, w] bool, or box_xyxy [4] floating, pixels, as `prompts`
                says.

        Raises:
            ValueError: no such frame, ids or prompts.
        """
        ...

    def step(self, states: Sequence[Any], frames: Sequence[np.ndarray]) -> list[TrackStep]:
        """Take several sessions one frame further; each gets the answer that it would get alone.

        Args:
            states: one a session.
            frames: the next one of each, [h, w, 3] uint8, RGB, of the size that it started with.

        Returns:
            One step a session, in order; its `state` is where that session goes on.

        Raises:
            ValueError: a frame of another size, or not one for each session.
        """
        ...

    def add_objects(
        self, state: Any, frame: np.ndarray, objects: Mapping[int, npt.NDArray[Any]]
    ) -> TrackState:
        """Return the session with new objects, or with known ones told anew.

        Args:
            state: of the session.
            frame: the one that the session stands at, `state.frame`; another is taken for the next,
                and the session is taken there first.
            objects: as for `start`.

        Raises:
            ValueError: no such frame, ids or prompts.
        """
        ...

    def remove_objects(self, state: Any, object_ids: Iterable[int]) -> TrackState:
        """Return the session without some of its objects, the others undisturbed.

        Args:
            state: of the session.
            object_ids: among `state.object_ids`.

        Raises:
            ValueError: it follows no such object.
        """
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> TrackState:
        """Return the state of which these are the `dump`; it goes on bit for bit the same.

        Args:
            tensors: [any] by name.

        Raises:
            ValueError: they are no state, or one of another network.
        """
        ...
