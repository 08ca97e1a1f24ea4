import json

import numpy as np
import pytest

from models.labels import FIGURES
from tests.families import drawn
from tests.families import mask_rcnn_recorded as recorded


@pytest.mark.parametrize("name", ["v1", "v2", "demo"])
def test_small_networks_answer_as_when_the_official_numbers_agreed(name: str) -> None:
    kept = json.loads(recorded.PATH.read_text())[name]
    now = recorded.answers(recorded.networks()[name])
    assert now["count"] == kept["count"]
    assert now["labels"] == kept["labels"]
    np.testing.assert_allclose(now["scores"], kept["scores"], rtol=0, atol=2e-4)
    np.testing.assert_allclose(now["boxes"], kept["boxes"], rtol=0, atol=0.02)
    np.testing.assert_allclose(now["areas"], kept["areas"], rtol=2e-3, atol=2)


def test_the_demo_network_sees_the_three_figures_of_the_drawn_picture() -> None:
    (found,) = recorded.networks()["demo"].predict([drawn.picture()], score_threshold=0.5)
    assert {FIGURES[label].name for label in found.labels.tolist()} == {"circle", "square", "ring"}
