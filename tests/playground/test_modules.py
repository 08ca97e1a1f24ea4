"""The playground's own modules against what they stand in for, in the browser's engine."""

import io
import zipfile
from typing import Any

import numpy as np
from playwright.sync_api import Page

from models import rle
from service.api.overlay import category_colour

DECODE = """async masks => {
  const { decode } = await import(new URL("static/js/masks/rle.js", location.href).href);
  return masks.map(mask => {
    const { pixels, ...crop } = decode(mask);
    return { ...crop, pixels: pixels.join("") };
  });
}"""
ENCODE = """async ([pixels, width, height]) => {
  const { encode } = await import(new URL("static/js/masks/rle.js", location.href).href);
  return encode(Uint8Array.from(pixels), width, height);
}"""
COLOUR = """async id => {
  const { colourOf } = await import(new URL("static/js/masks/colours.js", location.href).href);
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = colourOf(id);
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}"""
REMOVE = """async () => {
  const { Targets } = await import(new URL("static/js/video/targets.js", location.href).href);
  const nothing = () => {};
  const told = { onChoose: nothing, onName: nothing, onRemove: nothing };
  const targets = new Targets(document.createElement("ul"), told);
  const object = (id) => ({ id, label: null, score: 1, bbox: [0, 0, 1, 1], visible: true });
  targets.follow([object(1), object(2), object(3)]);
  targets.remove(1);
  targets.remove(3);
  targets.follow([object(1), object(2), object(3)]);
  const known = [...targets.all.keys()];
  return [known, targets.draw({ box: [0, 0, 1, 1] }).id - 1];
}"""
HISTORY = """async indices => {
  const { History } = await import(new URL("static/js/video/history.js", location.href).href);
  const history = new History();
  for (const frame_index of indices) history.add({ answer: { frame_index } });
  const indexOf = ({ answer }) => answer.frame_index;
  return [history.entries.length, ...[0, 150, 151, 5000].map((one) => indexOf(history.near(one)))];
}"""
ZIP = """async files => {
  const { zip } = await import(new URL("static/js/page/zip.js", location.href).href);
  const blob = zip(files.map(([name, bytes]) => ({ name, bytes: Uint8Array.from(bytes) })));
  return [...new Uint8Array(await blob.arrayBuffer())];
}"""


def masks() -> list[np.ndarray]:
    """Noise of several densities and sizes, and the cases at the edges."""
    rng = np.random.default_rng(0)
    sizes = [(1, 1), (1, 40), (40, 1), (37, 53)]
    noise = [rng.random(size) < share for size in sizes for share in (0.02, 0.5, 0.98)]
    large = np.zeros((900, 700), dtype=bool)
    large[100:800, 10:690] = True
    return [*noise, large, np.zeros((9, 7), bool), np.ones((9, 7), bool)]


def pasted(crop: dict[str, Any], size: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    rows = slice(crop["top"], crop["top"] + crop["height"])
    columns = slice(crop["left"], crop["left"] + crop["width"])
    mask[rows, columns] = np.reshape([*map(int, crop["pixels"])], (crop["height"], crop["width"]))
    return mask


def test_masks_are_decoded_as_python_does_and_no_larger_than_needed(page: Page) -> None:
    written = [rle.encode(mask) for mask in masks()]
    counted = [{"size": one["size"], "counts": rle.to_counts(one)} for one in written]
    for form in (written, counted):
        for mask, one, crop in zip(masks(), written, page.evaluate(DECODE, form), strict=True):
            assert np.array_equal(pasted(crop, mask.shape), mask)
            box = [crop[side] for side in ("left", "top", "width", "height")]
            assert box == rle.bbox_xywh(one)


def test_painted_masks_are_encoded_as_python_reads_them(page: Page) -> None:
    for mask in masks()[:-3]:
        height, width = mask.shape
        pixels = mask.astype(int).ravel().tolist()
        written = page.evaluate(ENCODE, [pixels, width, height])
        assert np.array_equal(rle.decode(rle.from_counts(**written)), mask)


def test_archives_are_whole(page: Page) -> None:
    files = {"frames/00000.jpg": bytes(range(256)) * 9, "größe.json": b"{}", "empty": b""}
    written = page.evaluate(ZIP, [[name, list(data)] for name, data in files.items()])
    with zipfile.ZipFile(io.BytesIO(bytes(written))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


def test_a_removed_object_stays_away_though_answers_on_their_way_know_it(page: Page) -> None:
    assert page.evaluate(REMOVE) == [[2], 3]


def test_the_last_900_frames_can_be_looked_at_again(page: Page) -> None:
    dropped = 151
    indices = [index for index in range(1001) if index != dropped]
    assert page.evaluate(HISTORY, indices) == [900, 100, 150, 150, 1000]


def test_colours_are_those_of_the_services_own_drawings(page: Page) -> None:
    for number in range(40):
        ours = page.evaluate(COLOUR, number)
        assert np.abs(np.subtract(ours, category_colour(number))).max() <= 2
