"""Hollows whose volume is known on paper, and scipy's hole filling as a second opinion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from hospital_agent.analysis.features.holes import HoleFraction
from tests.cases import case_of
from tests.phantoms import box, shell, sphere


def holes(mask: np.ndarray) -> float | None:
    return HoleFraction().compute(case_of(mask))


def test_a_hollow_sphere_misses_the_cube_of_the_ratio_of_its_radii() -> None:
    mask = shell((50, 50, 50), (1.0, 1.0, 1.0), (25, 25, 25), 20, 10)
    assert holes(mask) == pytest.approx((10 / 20) ** 3, rel=0.02)


def test_a_cube_with_one_missing_voxel() -> None:
    mask = box((5, 5, 5), (1, 1, 1), (4, 4, 4))
    mask[2, 2, 2] = False
    assert holes(mask) == 1 / 27


def test_six_face_neighbours_enclose_a_voxel() -> None:
    mask = ndimage.generate_binary_structure(3, 1)
    mask[1, 1, 1] = False
    assert holes(mask) == 1 / 7


def test_a_dent_and_a_tunnel_are_no_holes() -> None:
    mask = box((7, 7, 7), (1, 1, 1), (6, 6, 6))
    mask[3, 3, 3:] = False
    assert holes(mask) == 0
    mask[3, 3, :] = False
    assert holes(mask) == 0


def test_one_shell_in_another_is_counted_once() -> None:
    outer = shell((40, 40, 40), (1.0, 1.0, 1.0), (20, 20, 20), 18, 15)
    inner = shell((40, 40, 40), (1.0, 1.0, 1.0), (20, 20, 20), 9, 6)
    filled = sphere((40, 40, 40), (1.0, 1.0, 1.0), (20, 20, 20), 18)
    mask = outer | inner
    assert holes(mask) == pytest.approx(1 - mask.sum() / filled.sum())


def test_a_solid_mask_has_none_and_an_empty_one_is_undefined() -> None:
    assert holes(np.ones((4, 4, 4), bool)) == 0
    assert holes(np.zeros((4, 4, 4), bool)) is None


@settings(max_examples=150, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 9)] * 3), share=st.floats(0.3, 0.97), seed=st.integers(0, 10_000))
def test_holes_are_those_of_scipy(shape: tuple, share: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    filled = ndimage.binary_fill_holes(mask)
    expected = None if not mask.any() else 1 - mask.sum() / filled.sum()
    assert holes(mask) == (None if expected is None else pytest.approx(expected))
