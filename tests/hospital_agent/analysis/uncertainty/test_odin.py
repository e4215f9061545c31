"""ODIN on the answer to a perturbed image, on paper."""

import numpy as np
import pytest

from hospital_agent.analysis.uncertainty.odin import Odin
from tests.patches import segmentation_of


def test_flattens_the_answer_on_paper() -> None:
    certain, quarter = 1 / (1 + 2 ** (24 / 1000)), 1 / (1 + 3 ** (1 / 1000))
    case = segmentation_of(np.array([[[0.25, 0.75, 0.0, 1.0]]], dtype=np.float32))
    assert Odin().compute([case]) == pytest.approx((2 * quarter + 2 * certain) / 4, rel=1e-6)


def test_says_what_it_asks_of_the_segmenter() -> None:
    assert (Odin.source, Odin.passes) == ("gradient", 2)
    assert Odin.temperature > 1
    assert Odin.epsilon > 0
