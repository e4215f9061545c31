"""Volumes known on paper."""

import math

import numpy as np
import pytest

from hospital_agent.analysis.features.lesion_volume import LesionVolume
from tests.cases import case_of
from tests.phantoms import box, sphere


def volume_ml(mask: np.ndarray, spacing: tuple) -> float | None:
    return LesionVolume().compute(case_of(mask, spacing_mm=spacing))


def test_a_box_has_the_volume_of_its_edges() -> None:
    assert volume_ml(box((6, 10, 10), (1, 1, 1), (4, 6, 9)), (5.0, 2.0, 0.5)) == pytest.approx(3 * 5 * 8 * 5.0 / 1000)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.8, 0.8)])
def test_a_sphere_has_four_thirds_pi_r_cubed(spacing: tuple) -> None:
    shape = tuple(round(60 / step) for step in spacing)
    mask = sphere(shape, spacing, (30, 30, 30), 20)
    assert volume_ml(mask, spacing) == pytest.approx(4 / 3 * math.pi * 20**3 / 1000, rel=0.01)


def test_an_empty_mask_has_no_volume_which_is_a_number() -> None:
    assert volume_ml(np.zeros((2, 2, 2), bool), (1.0, 1.0, 1.0)) == 0
