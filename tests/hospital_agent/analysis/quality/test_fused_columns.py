"""Columns of the fused model: on paper, pointing one way, and finite whatever comes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hospital_agent.analysis.quality.fused_columns import FusedColumns, FusedInput, rank_correlation, table_of
from shared.quantities import Direction

PATIENTS = np.array([f"p{i}" for i in range(41)])
BADNESS = np.linspace(-1, 3, 41)
DIRECTIONS: dict[str, Direction] = {"bad": "higher_is_worse", "good": "higher_is_better", "odd": "neither"}


def ramp() -> np.ndarray:
    """Each value runs evenly from -2 to 2 (median 0, quartiles -1 and 1); "good" falls where masks get worse."""
    return np.linspace(-2, 2, 41)[:, None] * [1, -1, 1]


def test_columns_on_paper() -> None:
    columns = FusedColumns.fit(ramp(), DIRECTIONS, BADNESS, PATIENTS)
    assert columns.layout == (("bad", 1), ("good", 1), ("odd", 0), ("odd", 1), ("", 1), ("", 1))
    told = columns.columns(columns.table([{"bad": 2.0, "good": 1.0, "odd": -1.0}, {}]))
    step = 1.349 / 2  # one unit in robust SDs
    bad, good, odd = np.arcsinh([2 * step, -step, -step])
    np.testing.assert_allclose(told[0], [bad, good, odd, -odd, (bad + good) / 2, (bad + good) / 2])
    np.testing.assert_array_equal(told[1], np.zeros(6))  # of whom nothing is known, nothing is held against


def test_the_mean_leaves_out_what_is_undefined() -> None:
    columns = FusedColumns.fit(ramp(), DIRECTIONS, BADNESS, PATIENTS)
    told = columns.columns(columns.table([{"bad": 2.0, "good": None}]))[0]
    assert told[-2] == told[0]


@pytest.mark.parametrize(("values", "logged"), [(10.0 ** np.linspace(-2, 4, 41), True), (np.linspace(3, 5, 41), False)])
def test_a_logarithm_is_taken_of_what_has_a_heavy_tail(values: np.ndarray, logged: bool) -> None:
    fitted = FusedInput.fit("x", "higher_is_worse", values, BADNESS, PATIENTS)
    assert fitted is not None
    assert (fitted.log_offset is not None) == logged
    distance = fitted.distance(values)
    assert np.all(np.diff(distance) > 0)
    assert np.abs(distance).max() < 3


def test_a_score_that_points_the_wrong_way_in_training_has_no_voice_in_the_means() -> None:
    columns = FusedColumns.fit(ramp() * [1, -1, 1], DIRECTIONS, BADNESS, PATIENTS)
    assert [item.counted for item in columns.inputs] == [True, False, False]
    told = columns.columns(columns.table([{"bad": 2.0, "good": -50.0}]))[0]
    assert told[-2] == told[-1] == told[0]


def test_rank_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    values, truth = rng.integers(0, 9, 50).astype(float), rng.normal(size=50)
    assert rank_correlation(values, truth) == pytest.approx(spearmanr(values, truth).statistic)
    assert rank_correlation(np.ones(5), truth[:5]) == 0.0


def test_being_undefined_has_a_column_where_two_patients_show_it() -> None:
    table = ramp()
    table[0, 0] = np.nan
    assert [item.indicator for item in FusedColumns.fit(table, DIRECTIONS, BADNESS, PATIENTS).inputs] == [False] * 3
    table[1, 0] = np.nan
    columns = FusedColumns.fit(table, DIRECTIONS, BADNESS, PATIENTS)
    assert [item.indicator for item in columns.inputs] == [True, False, False]
    assert columns.columns(columns.table([{"bad": None}, {"bad": 0.0}]))[:, 4].tolist() == [1.0, 0.0]


@given(seed=st.integers(0, 999), name=st.sampled_from(["bad", "good"]))
@settings(max_examples=40, deadline=None)
def test_a_worse_value_lowers_no_column(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    columns = FusedColumns.fit(rng.lognormal(size=(41, 3)), DIRECTIONS, BADNESS, PATIENTS)
    case = {key: float(rng.lognormal(sigma=3)) for key in DIRECTIONS}
    worse = case | {name: case[name] * (3.0 if name == "bad" else 0.3)}
    before, after = columns.columns(columns.table([case, worse]))
    assert np.all(after >= before - 1e-12)
    assert after.sum() > before.sum()


@given(st.dictionaries(st.sampled_from(list(DIRECTIONS)), st.one_of(st.none(), st.floats())))
@settings(max_examples=60, deadline=None)
def test_every_column_is_finite(case: dict[str, float | None]) -> None:
    for table in (ramp(), 10 ** ramp()):
        columns = FusedColumns.fit(table, DIRECTIONS, BADNESS, PATIENTS)
        assert np.isfinite(columns.columns(columns.table([case]))).all()


def test_what_never_varies_is_left_out_and_the_rest_survives_json() -> None:
    table = ramp()
    table[:, 0], table[:, 1] = 3.0, np.nan
    columns = FusedColumns.fit(table, DIRECTIONS, BADNESS, PATIENTS)
    assert [item.name for item in columns.inputs] == ["odd"]
    assert columns.layout == (("odd", 0), ("odd", 1))  # no score with a direction: nothing to take a mean of
    assert FusedColumns.from_json(json.loads(json.dumps(columns.to_json()))) == columns
    for damage in ([], [columns.to_json()[0] | {"spread": 0.0}], [columns.to_json()[0] | {"direction": "up"}]):
        with pytest.raises(ValueError, match="fused model"):
            FusedColumns.from_json(damage)


def test_table_knows_no_infinite_value() -> None:
    table = table_of([{"a": 1.0, "b": float("inf")}, {"a": None}], ("a", "b"))
    np.testing.assert_array_equal(np.isnan(table), [[False, True], [True, True]])
