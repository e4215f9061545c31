"""Distances between spheres and boxes known on paper, and every distance against a naive search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.metrics.surface import assd_mm, hd95_mm, surface_dice, surface_distances
from tests.phantoms import box, sphere

ONE = (1.0, 1.0, 1.0)


def naive(a: np.ndarray, b: np.ndarray, spacing: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Surface voxels by looking at six neighbours, distances by trying all pairs."""

    def surface(mask: np.ndarray) -> np.ndarray:
        padded = np.pad(mask, 1)
        inner = padded.copy()
        for axis in range(3):
            inner &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
        return np.argwhere(mask & ~inner[1:-1, 1:-1, 1:-1]) * np.asarray(spacing)

    p, q = surface(a), surface(b)
    between = np.sqrt(((p[:, None] - q[None]) ** 2).sum(-1))
    return between.min(1), between.min(0)


@pytest.mark.parametrize("spacing", [ONE, (2.0, 1.0, 1.0)])
def test_concentric_spheres_lie_their_radii_apart(spacing: tuple) -> None:
    shape = tuple(round(60 / step) for step in spacing)
    a = sphere(shape, spacing, (30, 30, 30), 22)
    b = sphere(shape, spacing, (30, 30, 30), 18)
    assert assd_mm(a, b, spacing) == pytest.approx(4, abs=0.4)
    assert hd95_mm(a, b, spacing) == pytest.approx(4, abs=0.9)
    assert surface_dice(a, b, spacing, 5.5) == 1
    assert surface_dice(a, b, spacing, 1.9) == 0


def test_plates_lie_their_gap_apart_along_each_axis() -> None:
    spacing = (5.0, 2.0, 0.5)
    for axis in range(3):
        first, last = [0, 0, 0], [12, 12, 12]
        first[axis], last[axis] = 1, 2
        a = box((12, 12, 12), tuple(first), tuple(last))
        b = np.roll(a, 6, axis)
        assert hd95_mm(a, b, spacing) == 6 * spacing[axis]
        assert assd_mm(a, b, spacing) == 6 * spacing[axis]


def test_a_mask_agrees_with_itself() -> None:
    a = sphere((20, 20, 20), ONE, (10, 10, 10), 6)
    assert (surface_dice(a, a, ONE), hd95_mm(a, a, ONE), assd_mm(a, a, ONE)) == (1, 0, 0)


def test_a_distance_of_exactly_the_tolerance_is_within_it() -> None:
    a = box((12, 4, 4), (1, 0, 0), (2, 4, 4))
    assert surface_dice(a, np.roll(a, 3, 0), ONE) == 1
    assert surface_dice(a, np.roll(a, 4, 0), ONE) == 0
    assert surface_dice(a, np.roll(a, 5, 0), (0.6, 1.0, 1.0)) == 1


def test_a_stray_voxel_moves_the_maximum_and_not_the_95th_percentile() -> None:
    a = box((40, 12, 12), (2, 0, 0), (3, 12, 12))
    b = a.copy()
    b[39, 6, 6] = True
    distances = surface_distances(a, b, ONE)
    assert distances is not None
    assert distances.from_reference.max() > 36
    assert distances.hd95_mm == 0


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    seed=st.integers(0, 9999),
    share=st.floats(0.1, 0.9),
    spacing=st.sampled_from([ONE, (3.0, 1.0, 0.5)]),
)
def test_every_distance_is_the_one_of_a_naive_search(shape: tuple, seed: int, share: float, spacing: tuple) -> None:
    random = np.random.default_rng(seed)
    a, b = random.random(shape) < share, random.random(shape) < 0.5
    distances = surface_distances(a, b, spacing)
    if not a.any() or not b.any():
        assert distances is None
        return
    assert distances is not None
    there, back = naive(a, b, spacing)
    np.testing.assert_allclose(distances.from_mask, there)
    np.testing.assert_allclose(distances.from_reference, back)
    assert distances.assd_mm == pytest.approx(np.concatenate([there, back]).mean())
    assert surface_dice(a, b, spacing) == pytest.approx(np.concatenate([there <= 3, back <= 3]).mean())


def test_empty_masks_have_no_distance() -> None:
    a, empty = box((4, 4, 4), (1, 1, 1), (3, 3, 3)), np.zeros((4, 4, 4), bool)
    for pair in ((a, empty), (empty, a), (empty, empty)):
        assert surface_distances(*pair, ONE) is None
        assert hd95_mm(*pair, ONE) is None
        assert assd_mm(*pair, ONE) is None
    assert surface_dice(a, empty, ONE) == 0
    assert surface_dice(empty, a, ONE) == 0
    assert surface_dice(empty, empty, ONE) is None


def test_other_grids_are_refused() -> None:
    with pytest.raises(GeometryMismatch):
        surface_dice(np.ones((2, 2, 2), bool), np.ones((2, 2, 3), bool), ONE)


def test_hd95_takes_the_worse_direction_and_not_both_together() -> None:
    # Every voxel of the plate is in both masks; a tenth of the larger mask's surface lies 20 mm away.
    a = box((30, 9, 10), (2, 0, 0), (3, 9, 10))
    b = a | box((30, 9, 10), (22, 0, 0), (23, 1, 10))
    distances = surface_distances(a, b, ONE)
    assert distances is not None
    assert distances.from_mask.max() == 0
    assert distances.hd95_mm == 20
    assert np.percentile(np.concatenate([distances.from_mask, distances.from_reference]), 94) == 0
