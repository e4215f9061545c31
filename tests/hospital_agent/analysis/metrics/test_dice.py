"""Overlap by hand, and the four cases of empty and not empty."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.metrics.dice import absolute_volume_error_ml, agreement, dice
from tests.phantoms import box

SHAPE = (4, 6, 8)
EMPTY = np.zeros(SHAPE, bool)
A = box(SHAPE, (0, 0, 0), (2, 2, 4))  # 16 voxels
B = box(SHAPE, (0, 0, 2), (2, 2, 6))  # 16 voxels, half of them A's


def test_overlap_by_hand() -> None:
    assert dice(A, B) == 0.5
    assert dice(A, A) == 1
    assert dice(A, box(SHAPE, (3, 5, 7), (4, 6, 8))) == 0
    assert dice(A, box(SHAPE, (0, 0, 0), (2, 2, 2))) == pytest.approx(2 * 8 / 24)


@pytest.mark.parametrize(
    ("mask", "reference", "name", "value"),
    [(EMPTY, EMPTY, "true_empty", None), (EMPTY, A, "missed_all", 0), (A, EMPTY, "false_only", 0), (A, B, "both", 0.5)],
)
def test_empty_masks_have_names(mask: np.ndarray, reference: np.ndarray, name: str, value: float | None) -> None:
    assert agreement(mask, reference) == name
    assert dice(mask, reference) == value


def test_volume_error_has_no_sign_and_needs_no_overlap() -> None:
    one = box(SHAPE, (0, 0, 0), (1, 1, 1))
    assert absolute_volume_error_ml(A, one, 0.004) == pytest.approx(0.06)
    assert absolute_volume_error_ml(one, A, 0.004) == pytest.approx(0.06)
    assert absolute_volume_error_ml(EMPTY, EMPTY, 0.004) == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_integer_masks_count_voxels_and_not_labels(dtype: type) -> None:
    full = np.full((8, 8, 8), 2, dtype)
    assert dice(full, np.ones((8, 8, 8), dtype)) == 1


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 9999), share=st.floats(0, 1), other=st.floats(0, 1))
def test_laws(seed: int, share: float, other: float) -> None:
    random = np.random.default_rng(seed)
    a, b = random.random((3, 4, 5)) < share, random.random((3, 4, 5)) < other
    value = dice(a, b)
    assert value == dice(b, a)
    assert value == dice(a[::-1], b[::-1])
    assert value is None or 0 <= value <= 1
    assert (value is None) == (agreement(a, b) == "true_empty")


def test_other_grids_are_refused() -> None:
    for measure in (dice, agreement):
        with pytest.raises(GeometryMismatch):
            measure(A, A[:2])
    with pytest.raises(GeometryMismatch):
        absolute_volume_error_ml(A, A[:2], 0.001)
