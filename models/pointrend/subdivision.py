"""The subdivision loop: enlarge, choose the least certain cells, ask the point head about them."""

from torch import Tensor
from torch.nn import functional as F

from models.ops.point_sample import grid_coords, point_sample, select_uncertain, uncertainty
from models.pointrend.config import PointRendConfig
from models.pointrend.point_head import PointHead


class Subdivision:
    """Refinement of class logits; a value that holds no picture.

    All logits and coordinates are float32, whatever the network's precision.

    Args:
        point_head: classifies points.
        config: how often, how many points, and which of the published rules.

    Source: Kirillov et al. 2020, section 3.1; detectron2: point_rend/semantic_seg.py,
        PointRendSemSegHead; mmsegmentation: models/decode_heads/point_head.py, forward_test;
        zsef123/PointRend-PyTorch: PointHead.inference (facts); differs: the last one's loop ends
        when the map is at least as wide as the input, there it must become exactly as wide.
    """

    def __init__(self, point_head: PointHead, config: PointRendConfig) -> None:
        self._point_head = point_head
        self._config = config

    def refine(self, coarse_logits: Tensor, fine_features: Tensor, input_width: int) -> Tensor:
        """Refine coarse logits to about the input's size.

        Args:
            coarse_logits: [b, k, h, w] float32; stays as it is.
            fine_features: [b, c, h', w'] floating.
            input_width: of the network's input, pixels.

        Returns:
            [b, k, h * 2**s, w * 2**s] float32, s the number of steps; may be the input itself.
        """
        logits = coarse_logits
        for _ in range(self.count_steps(coarse_logits.shape[-1], input_width)):
            logits = self.enlarge(logits)
            cells = self.choose(logits)
            point_logits = self.classify(cells, logits, coarse_logits, fine_features)
            write_back(logits, cells, point_logits)
        return logits

    def count_steps(self, coarse_width: int, input_width: int) -> int:
        """Return how often the map is enlarged."""
        if self._config.subdivision_steps is not None:
            return self._config.subdivision_steps
        return max(0, (-(-input_width // coarse_width) - 1).bit_length())

    def enlarge(self, logits: Tensor) -> Tensor:
        """Return [b, k, 2 * h, 2 * w] float32 of [b, k, h, w] float32, bilinear."""
        return F.interpolate(
            logits.contiguous(),
            scale_factor=2,
            mode="bilinear",
            align_corners=self._config.subdivision_aligns_corners,
        )

    def choose(self, logits: Tensor) -> Tensor:
        """Return [b, p] int64, cells y * w + x of [b, k, h, w] float32, least certain ones."""
        return select_uncertain(uncertainty(logits), self._config.subdivision_num_points)

    def classify(
        self, cells: Tensor, logits: Tensor, coarse_logits: Tensor, fine_features: Tensor
    ) -> Tensor:
        """Ask the point head about cells.

        Args:
            cells: [b, p] int64, y * w + x.
            logits: [b, k, h, w] float32, the map being refined.
            coarse_logits: [b, k, h', w'] float32, the first map.
            fine_features: [b, c, h", w"] floating.

        Returns:
            [b, p, k] float32.
        """
        points = grid_coords(cells, (logits.shape[2], logits.shape[3]))
        if self._config.refines_own_logits:
            # Sampling a grid at its own centres gives its own values.
            coarse = logits.flatten(2).gather(2, _in_all_classes(cells, logits)).transpose(1, 2)
        else:
            coarse = point_sample(coarse_logits, points)
        fine = point_sample(fine_features, points)
        return self._point_head(fine, coarse.to(fine.dtype)).float()


def write_back(logits: Tensor, cells: Tensor, point_logits: Tensor) -> None:
    """Overwrite the logits of chosen cells, in place; nothing else is touched.

    Args:
        logits: [b, k, h, w] float32, contiguous.
        cells: [b, p] int64, y * w + x, each once.
        point_logits: [b, p, k] float32.
    """
    flat = logits.view(*logits.shape[:2], -1)
    flat.scatter_(2, _in_all_classes(cells, logits), point_logits.transpose(1, 2))


def _in_all_classes(cells: Tensor, logits: Tensor) -> Tensor:
    """[b, k, p] int64: the same cells for every class, no copy."""
    return cells[:, None].expand(-1, logits.shape[1], -1)
