"""What surfaces look like: plain, gradient, stripes, checks, noise, photograph-like, or rich."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from models.training import surfaces
from models.training.grid import Grid, Plane


class Pattern(StrEnum):
    """How the colours of a surface mix."""

    PLAIN = "plain"
    GRADIENT = "gradient"
    STRIPES = "stripes"
    CHECKS = "checks"
    NOISE = "noise"
    PHOTOGRAPH = "photograph"
    FRACTAL = "fractal"
    LEAVES = "leaves"
    STROKES = "strokes"


FILLS = (Pattern.PLAIN, Pattern.GRADIENT, Pattern.STRIPES, Pattern.CHECKS, Pattern.NOISE)
BACKDROPS = (*FILLS, Pattern.PHOTOGRAPH)
RICH = (Pattern.FRACTAL, Pattern.LEAVES, Pattern.STROKES)


@dataclass(frozen=True)
class Texture:
    """A surface of two colours; it is fixed to the frame it is painted in and moves with it.

    Attributes:
        pattern: how the two mix.
        colours: [2, 3] RGB, in [0, 1].
        direction: radians, of stripes, gradients and rich surfaces.
        period: units, of stripes and checks; of rich surfaces, after which they repeat.
        seed: of the random waves of noise and of rich surfaces.
    """

    pattern: Pattern
    colours: tuple[tuple[float, ...], tuple[float, ...]]
    direction: float
    period: float
    seed: int


def paint(texture: Texture, grid: Grid) -> Plane:
    """Return [3, h, w] float32, about [0, 1], RGB: the texture on the grid."""
    if texture.pattern in _TILES:
        tile = _TILES[texture.pattern](texture.colours, texture.seed)
        return surfaces.look_at(tile, grid, texture.direction, texture.period)
    first, second = np.array(texture.colours, dtype=np.float32)[..., None, None]
    colour = _MIXES[texture.pattern](texture, grid) * (second - first)
    colour += first
    if texture.pattern is Pattern.PHOTOGRAPH:
        colour += _light(texture, grid)
    return colour


def draw_texture(
    rng: np.random.Generator, pattern: Pattern, avoid: Plane, periods: tuple[float, float]
) -> Texture:
    """Draw a texture whose colours stand out from those to avoid.

    Args:
        rng: source of chance.
        pattern: how the colours mix.
        avoid: [n, 3] float32, in [0, 1]. Colours to keep away from; n may be 0.
        periods: units, the range of periods.
    """
    first = _far_colour(rng, rng.uniform(0.02, 0.98, (16, 3)), avoid)
    steps = rng.normal(size=(16, 3))
    steps *= rng.uniform(0.2, 0.5, (16, 1)) / np.linalg.norm(steps, axis=1, keepdims=True)
    second = _far_colour(rng, np.clip(first + steps, 0.02, 0.98), avoid)
    return Texture(
        pattern,
        (tuple(first.tolist()), tuple(second.tolist())),
        direction=float(rng.uniform(0, 2 * np.pi)),
        period=float(np.exp(rng.uniform(*np.log(periods)))),
        seed=int(rng.integers(2**31)),
    )


_STANDS_OUT = 0.42  # distance in the RGB cube, whose diagonal is 1.73


def _far_colour(rng: np.random.Generator, candidates: Plane, avoid: Plane) -> Plane:
    """One of the candidates that stand out; where none does, the farthest."""
    if not len(avoid):
        return candidates[0]
    gaps = np.linalg.norm(candidates[:, None] - avoid[None], axis=-1).min(axis=1)
    clear = np.flatnonzero(gaps >= _STANDS_OUT)
    return candidates[rng.choice(clear) if len(clear) else gaps.argmax()]


def _plain(_: Texture, grid: Grid) -> Plane:
    return np.zeros((len(grid.ys), len(grid.xs)), dtype=np.float32)


def _gradient(texture: Texture, grid: Grid) -> Plane:
    return np.clip(0.5 + 0.5 * grid.along(texture.direction), 0, 1)


def _square_wave(texture: Texture, grid: Grid, direction: float) -> Plane:
    """In [-1, 1], edges about a pixel wide."""
    speed = 2 * np.pi / texture.period
    return np.clip(np.sin(speed * grid.along(direction)) * (2 / (speed * grid.pixel)), -1, 1)


def _stripes(texture: Texture, grid: Grid) -> Plane:
    return 0.5 + 0.5 * _square_wave(texture, grid, texture.direction)


def _checks(texture: Texture, grid: Grid) -> Plane:
    across = _square_wave(texture, grid, texture.direction)
    return 0.5 + 0.5 * across * _square_wave(texture, grid, texture.direction + np.pi / 2)


def _random_waves(grid: Grid, seed: int, count: int, fastest: float) -> Plane:
    """Waves of all directions with 0.3 to `fastest` periods a unit, slower ones stronger."""
    rng = np.random.default_rng(seed)
    speeds = np.exp(rng.uniform(np.log(0.3), np.log(fastest), count))
    angles, phases = rng.uniform(0, 2 * np.pi, (2, count))
    amplitudes = speeds**-0.9
    amplitudes *= np.sqrt(2) / np.linalg.norm(amplitudes)  # the sum has variance 1
    vectors = np.stack((speeds * np.cos(angles), speeds * np.sin(angles)), axis=1)
    return grid.waves(
        vectors.astype(np.float32), phases.astype(np.float32), amplitudes.astype(np.float32)
    )


def _noise(texture: Texture, grid: Grid) -> Plane:
    return np.clip(0.5 + 0.3 * _random_waves(grid, texture.seed, count=12, fastest=1.5), 0, 1)


def _photograph(texture: Texture, grid: Grid) -> Plane:
    """Regions with firm, ragged borders, as of things and their surroundings."""
    return np.clip(0.5 + 1.5 * _random_waves(grid, texture.seed, count=24, fastest=3), 0, 1)


def _light(texture: Texture, grid: Grid) -> Plane:
    """Shades at all scales, as strong at each as photographs have them."""
    return 0.09 * _random_waves(grid, texture.seed + 1, count=64, fastest=24)


_MIXES = {
    Pattern.PLAIN: _plain,
    Pattern.GRADIENT: _gradient,
    Pattern.STRIPES: _stripes,
    Pattern.CHECKS: _checks,
    Pattern.NOISE: _noise,
    Pattern.PHOTOGRAPH: _photograph,
}
_TILES = {
    Pattern.FRACTAL: surfaces.fractal,
    Pattern.LEAVES: surfaces.leaves,
    Pattern.STROKES: surfaces.strokes,
}
