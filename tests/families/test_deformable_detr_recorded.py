import json

import numpy as np
import pytest

from models.labels import FIGURES
from tests.families import deformable_detr_recorded as recorded
from tests.families import drawn


@pytest.mark.parametrize("name", ["plain", "refine", "two_stage", "demo"])
def test_small_networks_answer_as_when_the_official_numbers_agreed(name: str) -> None:
    kept = json.loads(recorded.PATH.read_text())[name]
    now = recorded.answers(recorded.networks()[name])
    assert now["count"] == kept["count"]
    assert now["labels"] == kept["labels"]
    np.testing.assert_allclose(now["scores"], kept["scores"], rtol=0, atol=5e-5)
    np.testing.assert_allclose(now["boxes"], kept["boxes"], rtol=0, atol=0.01)


def test_the_demo_network_sees_the_three_figures_of_the_drawn_picture() -> None:
    (found,) = recorded.networks()["demo"].predict([drawn.picture()], max_detections=3)
    assert {FIGURES[label].name for label in found.labels.tolist()} == {"circle", "square", "ring"}
