import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from models import rle
from models.outputs import SemanticMap
from models.rle_labels import encode_labels

label_maps = st.tuples(
    arrays.arrays(
        np.uint8,
        arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
        elements=st.integers(0, 4) | st.just(255),
    ),
    st.integers(1, 7),
    st.integers(1, 7),
).map(lambda drawn: np.kron(drawn[0], np.ones(drawn[1:], dtype=np.uint8)))


def official(bitmap):
    found = coco.encode(np.asfortranarray(bitmap.astype(np.uint8)))
    return {"size": found["size"], "counts": found["counts"].decode()}


@given(label_maps)
def test_every_label_gets_the_official_string(label_map):
    labels = [255, 0, 3, 1, 2, 4, 77]
    for label, mask in zip(labels, encode_labels(label_map, labels), strict=True):
        assert mask == official(label_map == label)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_a_picture_full_of_labels_gets_the_official_strings(dtype):
    rng = np.random.default_rng(0)
    label_map = np.kron(rng.integers(0, 150, (40, 30)), np.ones((11, 13))).astype(dtype)
    label_map[rng.random(label_map.shape) < 0.01] = 149
    labels = np.unique(label_map)
    for label, mask in zip(labels, encode_labels(label_map, labels), strict=True):
        assert mask == official(label_map == label)


@given(label_maps)
def test_the_masks_of_a_semantic_map_partition_the_picture(label_map):
    found = SemanticMap(torch.from_numpy(label_map), is_refined=True)
    assert found.labels.tolist() == np.unique(label_map).tolist()
    masks = found.masks()
    assert (masks.sum(axis=0) == 1).all()
    assert np.array_equal(found.labels.numpy()[masks.argmax(axis=0)], label_map)
    assert sum(rle.area(mask) for mask in found.masks) == label_map.size
