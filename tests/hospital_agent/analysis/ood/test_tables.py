"""Rows of different lengths in one table, and back."""

import numpy as np
import pytest

from hospital_agent.analysis.errors import AnalysisError, FeatureShapeError
from hospital_agent.analysis.ood.tables import Entry, check_layers, entries_of, layer_widths, table_of

ENTRIES = [Entry(0, 0, np.array([1.0, 2.0])), Entry(3, 1, np.array([4.0, 5.0, 6.0]))]


def test_there_and_back() -> None:
    table = table_of(ENTRIES)
    np.testing.assert_array_equal(table, [[0, 0, 2, 1, 2, 0], [3, 1, 3, 4, 5, 6]])
    for entry, again in zip(ENTRIES, entries_of(table), strict=True):
        assert (entry.label, entry.layer) == (again.label, again.layer)
        np.testing.assert_array_equal(entry.values, again.values)
    assert layer_widths(ENTRIES) == {0: 2, 1: 3}


def test_refuses_what_is_no_such_table() -> None:
    for wrong in (np.zeros((2, 3)), np.array([[0.0, 0.0, 5.0, 1.0]]), np.zeros(4)):
        with pytest.raises(FeatureShapeError):
            entries_of(wrong)
    with pytest.raises(AnalysisError, match="finite"):
        entries_of(np.array([[0.0, 0.0, 1.0, np.nan]]))
    with pytest.raises(FeatureShapeError, match="Layer 0"):
        layer_widths([*ENTRIES, Entry(1, 0, np.zeros(5))])
    with pytest.raises(FeatureShapeError, match="layers of"):
        check_layers(ENTRIES, {0: 2})
