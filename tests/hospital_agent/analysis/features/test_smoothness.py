"""Slice-to-slice Dice: spheres by formula, the fast count against a naive one, and what 5 mm slices do."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from hospital_agent.analysis.features.smoothness import Smoothness, SmoothnessAt5mm, mean_slice_dice, on_5mm_slices
from tests.cases import case_of
from tests.phantoms import box, ellipsoid, sphere


def smoothness(mask: np.ndarray, spacing: tuple = (1.0, 1.0, 1.0)) -> float | None:
    return Smoothness().compute(case_of(mask, spacing_mm=spacing))


def at_5mm(mask: np.ndarray, spacing: tuple = (1.0, 1.0, 1.0)) -> float | None:
    return SmoothnessAt5mm().compute(case_of(mask, spacing_mm=spacing))


def naive(mask: np.ndarray, spacing: tuple) -> float | None:
    """The definition, word by word, with a full copy of the mask per component."""
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    means = []
    for component in range(1, count + 1):
        own = labels == component
        if own.sum() * math.prod(spacing) / 1000 < 0.01 - 1e-12:
            continue
        dices = []
        for a, b in pairwise(own):
            if a.any() and b.any() and not np.array_equal(a, b):
                dices.append(2 * (a & b).sum() / (a.sum() + b.sum()))
        if dices:
            means.append(np.mean(dices))
    return float(np.mean(means)) if means else None


def sphere_by_formula(radius: float, step: float) -> float:
    """Coaxial discs of radius r and s, r < s, have a Dice of 2 r^2 / (r^2 + s^2); one slice cuts the centre."""
    squares = [radius**2 - (i * step) ** 2 for i in range(int(radius / step) + 1)]
    return float(np.mean([2 * b / (a + b) for a, b in pairwise(squares) if b > 0]))


@pytest.mark.parametrize(("thickness", "published"), [(1.0, 0.95), (8.0, 0.83)])
def test_a_sphere_has_the_smoothness_of_the_formula(thickness: float, published: float) -> None:
    slices = 2 * int(30 / thickness) + 3
    centre = slices * thickness / 2
    mask = sphere((slices, 130, 130), (thickness, 0.5, 0.5), (centre, 32.5, 32.5), 30)
    expected = sphere_by_formula(30, thickness)
    assert smoothness(mask, (thickness, 0.5, 0.5)) == pytest.approx(expected, abs=0.01)
    assert expected == pytest.approx(published, abs=0.01)


def test_it_runs_along_the_body_axis_and_no_other() -> None:
    fine = (1.0, 0.25, 0.25)
    along_z = ellipsoid((55, 80, 80), fine, (27.5, 10, 10), (25, 8, 8))
    along_x = ellipsoid((21, 80, 216), fine, (10.5, 10, 27), (8, 8, 25))
    # Cut along its own axis an ellipsoid has the discs of a sphere, 25 or 8 of them to its half axis.
    assert smoothness(along_z, fine) == pytest.approx(sphere_by_formula(25, 1.0), abs=0.02)
    assert smoothness(along_x, fine) == pytest.approx(sphere_by_formula(8, 1.0), abs=0.02)


def test_steps_by_hand() -> None:
    mask = np.zeros((5, 4, 10), bool)
    mask[0, 0, :8] = True
    mask[1, 0, :8] = True  # identical to the one below: says nothing
    mask[2, 0, :4] = True  # Dice 2 * 4 / 12
    mask[3, 0, 2:6] = True  # Dice 2 * 2 / 8
    assert smoothness(mask) == pytest.approx((8 / 12 + 4 / 8) / 2)


def test_components_are_averaged_unweighted_and_each_alone() -> None:
    mask = np.zeros((2, 8, 40), bool)
    mask[0, 0, :40] = True
    mask[1, 0, :20] = True  # a large one: 2 * 20 / 60
    mask[0, 4, :8] = True
    mask[1, 4, :6] = True  # a small one in the same slices: 2 * 6 / 14
    assert smoothness(mask) == pytest.approx((40 / 60 + 12 / 14) / 2)


def test_fragments_have_no_say() -> None:
    mask = np.zeros((2, 8, 40), bool)
    mask[0, 0, :40] = mask[1, 0, :20] = True
    alone = smoothness(mask)
    mask[0, 6, 0] = mask[1, 6, 1] = True
    assert smoothness(mask) == alone


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((4, 5, 6), bool),
        box((4, 40, 40), (1, 0, 0), (2, 40, 40)),
        box((6, 20, 20), (1, 0, 0), (4, 20, 20)),
        box((4, 5, 6), (1, 1, 1), (2, 2, 2)),
    ],
    ids=["empty", "one slice", "identical slices", "one voxel"],
)
def test_without_a_pair_of_unlike_slices_it_is_undefined(mask: np.ndarray) -> None:
    assert smoothness(mask) is None
    assert at_5mm(mask) is None


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 8)] * 3),
    share=st.floats(0.05, 0.9),
    seed=st.integers(0, 10_000),
    voxel=st.sampled_from([(1.0, 1.0, 1.0), (5.0, 1.0, 2.0), (2.0, 2.0, 2.0)]),
)
def test_the_fast_count_is_the_definition(shape: tuple, share: float, seed: int, voxel: tuple) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    expected = naive(mask, voxel)
    assert smoothness(mask, voxel) == (None if expected is None else pytest.approx(expected))


@settings(max_examples=60, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 7)] * 3), share=st.floats(0.1, 0.9), seed=st.integers(0, 10_000))
def test_slices_of_5_mm_already_are_left_as_they_are(shape: tuple, share: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    expected = smoothness(mask, (5.0, 1.0, 2.0))
    assert at_5mm(mask, (5.0, 1.0, 2.0)) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("thickness", [0.6, 1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0])
def test_thickness_hardly_moves_the_5_mm_value(thickness: float) -> None:
    spacing = (thickness, 1.0, 1.0)
    slices = int(90 / thickness)
    values = []
    for shift in (0.0, 0.25, 0.5, 0.75):
        mask = sphere((slices, 70, 70), spacing, ((slices // 2 + shift) * thickness, 35, 35), 30)
        values.append(at_5mm(mask, spacing))
    # Without resampling the same spheres go from 0.96 at 0.6 mm down to 0.76 at 10 mm.
    assert np.mean(values) == pytest.approx(0.83, abs=0.035)


def test_thin_slices_are_covered_by_half() -> None:
    component = np.zeros((10, 1, 3), bool)
    component[:, 0, 0] = True
    component[:3, 0, 1] = True  # 3 of the lower 5 mm
    component[5:7, 0, 2] = True  # 2 of the upper 5 mm
    stack = on_5mm_slices(component, (1.0, 1.0, 1.0))
    assert stack[:, 0].tolist() == [[True, True, False], [True, False, False]]


def test_between_thick_slices_the_outline_moves_half_way() -> None:
    component = np.zeros((2, 21, 21), bool)
    component[0, 8:13, 8:13] = True
    component[1, 4:17, 4:17] = True
    stack = on_5mm_slices(component, (10.0, 1.0, 1.0))
    # Slices at 2.5, 7.5, 12.5 and 17.5 mm over slabs centred at 5 and 15 mm: a quarter and three quarters of the way.
    sides = [int(plane[10].sum()) for plane in stack]
    assert sides[1:3] == [7, 11]
    assert 0 < sides[0] < 5, "beyond the outermost slice the body closes"
    assert 0 < sides[3] < 13


def test_turning_the_stack_over_changes_nothing() -> None:
    for spacing in ((1.0, 1.0, 1.0), (3.0, 1.0, 1.0), (8.0, 1.0, 1.0)):
        mask = ellipsoid((24, 40, 40), spacing, (9 * spacing[0], 18, 22), (5 * spacing[0], 9, 15))
        assert at_5mm(mask[::-1], spacing) == pytest.approx(at_5mm(mask, spacing))


def test_empty_slices_inside_count_as_no_overlap_and_at_the_ends_not_at_all() -> None:
    stack = np.zeros((6, 1, 4), bool)
    stack[1, 0, :2] = stack[3, 0, :4] = stack[4, 0, :2] = True
    assert mean_slice_dice(stack) == pytest.approx((0 + 0 + 4 / 6) / 3)
    assert mean_slice_dice(np.zeros((3, 1, 1), bool)) is None
