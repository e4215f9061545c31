"""Masks onto the fixed grid and back: nothing moves, islands do not drag the box along, and odd sizes work."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.segmentation.mask_grid import MaskGrid, from_grid, onto_grid, place_of
from tests.anatomy import SPACING, heart

FLAT, SOLID = MaskGrid((8.0, 2.0, 2.0), (1, 32, 32)), MaskGrid((2.0, 2.0, 2.0), (16, 32, 32))


def there_and_back(labels: np.ndarray, spacing: tuple[float, float, float], grid: MaskGrid, count: int) -> np.ndarray:
    place = place_of(labels, spacing, grid)
    assert place is not None
    put = onto_grid(labels, place, grid, count)
    hot = np.stack([put == number for number in range(count + 1)], axis=1).astype(np.float32)
    return from_grid(hot, place, grid, labels.shape)  # type: ignore[arg-type]


def test_a_mask_on_the_same_spacing_comes_back_unchanged() -> None:
    assert np.array_equal(there_and_back(heart(0), SPACING, FLAT, 3), heart(0))


def test_a_solid_grid_gives_a_mask_back_too() -> None:
    found = there_and_back(heart(1), SPACING, SOLID, 3)
    overlaps = [dice(found == n, heart(1) == n) for n in (1, 2, 3)]
    assert all(overlap is not None and overlap > 0.9 for overlap in overlaps)


@pytest.mark.parametrize("corner", [(0, 0), (0, 39), (39, 39)])
def test_an_organ_at_the_rim_of_the_image_comes_back(corner: tuple[int, int]) -> None:
    labels = np.zeros((3, 40, 40), dtype=np.uint8)
    y, x = np.indices((40, 40))
    labels[:, (abs(y - corner[0]) < 6) & (abs(x - corner[1]) < 4)] = 1
    assert np.array_equal(there_and_back(labels, SPACING, FLAT, 1), labels)


def test_an_island_far_away_neither_moves_the_box_nor_comes_back() -> None:
    labels = heart(2, (4, 40, 200))
    island = labels.copy()
    island[1, 20, 150:153] = 1
    before, after = place_of(labels, SPACING, FLAT), place_of(island, SPACING, FLAT)
    assert before is not None
    assert after is not None
    assert before.window == after.window
    assert np.array_equal(there_and_back(island, SPACING, FLAT, 3), labels)


def test_only_slices_with_foreground_are_shown() -> None:
    labels = heart(3)
    labels[2] = 0
    place = place_of(labels, SPACING, FLAT)
    assert place is not None
    assert place.slices == (0, 1, 3)
    assert onto_grid(labels, place, FLAT, 3).shape == (3, 1, 32, 32)


def test_an_empty_mask_has_no_place() -> None:
    assert place_of(np.zeros((2, 3, 4), dtype=np.uint8), SPACING, FLAT) is None


@given(
    st.tuples(*[st.integers(1, 12)] * 3),
    st.tuples(*[st.floats(0.4, 12.0)] * 3),
    st.integers(0, 2**32 - 1),
    st.sampled_from([FLAT, SOLID, MaskGrid((5.0, 3.0, 1.0), (4, 6, 10))]),
)
def test_any_mask_at_any_spacing_gives_labels_it_had(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], seed: int, grid: MaskGrid
) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)
    if labels.any():
        found = there_and_back(labels, spacing, grid, 2)
        assert (found.shape, found.dtype) == (labels.shape, np.uint8)
        assert set(np.unique(found)) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("spacing", "shape"), [((1, 1, 0), (1, 8, 8)), ((1, 1, np.nan), (1, 8, 8)), ((1, 1, 1), (0, 8, 8))]
)
def test_a_grid_that_cannot_be_is_refused(spacing: tuple[float, float, float], shape: tuple[int, int, int]) -> None:
    with pytest.raises(GeometryMismatch):
        MaskGrid(spacing, shape)
