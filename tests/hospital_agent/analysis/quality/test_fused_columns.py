"""One scale for all scores: the normal score among the training cases."""

import json
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital_agent.analysis.quality.fused_columns import FusedColumns, FusedInput, table_of

LINE = np.arange(1.0, 12.0)  # eleven training values


def fitted(values: np.ndarray) -> FusedInput:
    item = FusedInput.fit("score", values)
    assert item is not None
    return item


def test_normal_scores_on_paper() -> None:
    scores = fitted(LINE).scores(np.array([1.0, 6.0, 11.0]))
    lowest = NormalDist().inv_cdf(0.5 / 11)
    np.testing.assert_allclose(scores, [lowest, 0.0, -lowest], atol=1e-12)


def test_equal_values_share_their_rank() -> None:
    values = np.array([0.0] * 6 + [1.0, 2.0, 3.0, 4.0])
    assert fitted(values).scores(np.array([0.0]))[0] == pytest.approx(NormalDist().inv_cdf(0.3))


@given(power=st.floats(0.2, 5.0), scale=st.floats(1e-6, 1e6))
def test_the_scale_of_a_score_does_not_matter_only_its_order(power: float, scale: float) -> None:
    np.testing.assert_allclose(fitted(LINE).scores(LINE), fitted(scale * LINE**power).scores(scale * LINE**power))


@given(values=st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=9))
def test_a_larger_value_never_scores_lower_and_goes_beyond_training_by_one_at_most(values: list[float]) -> None:
    item = fitted(LINE)
    scores = item.scores(np.sort(np.array(values)))
    assert np.all(np.diff(scores) >= -1e-12)
    assert np.all(np.abs(scores) <= item.levels[-1] + 1 + 1e-12)


def test_undefined_is_the_middle_of_training() -> None:
    columns = FusedColumns.fit(np.column_stack([LINE, LINE**2]), ("a", "b"))
    assert columns.columns([{"a": None}, {"a": float("inf"), "b": 36.0}]) == pytest.approx(0.0)


def test_what_is_rarely_known_or_hardly_varies_is_left_out() -> None:
    few = np.where(np.arange(11) < 8, np.nan, LINE)
    table = np.column_stack([LINE, few, np.ones(11), np.full(11, np.nan)])
    assert FusedColumns.fit(table, ("a", "few", "same", "never")).names == ("a",)


def test_thousands_of_values_become_a_few_knots_of_the_same_scale() -> None:
    values = np.random.default_rng(0).exponential(size=5000)
    item = fitted(values)
    assert len(item.knots) <= 33
    assert item.knots[0] == values.min()
    assert item.knots[-1] == values.max()
    middle = np.quantile(values, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(item.scores(middle), [-1.2816, 0.0, 1.2816], atol=0.05)


def test_survives_json_and_names_damage() -> None:
    columns = FusedColumns.fit(np.column_stack([LINE, -LINE]), ("a", "b"))
    told = json.loads(json.dumps(columns.to_json()))
    assert FusedColumns.from_json(told) == columns
    for damage in ({"knots": [2.0, 1.0]}, {"levels": [0.0]}, {"knots": [float("nan")] * 11}):
        with pytest.raises(ValueError, match="damaged"):
            FusedColumns.from_json([{**told[0], **damage}])
    with pytest.raises(ValueError, match="damaged"):
        FusedColumns.from_json([])


def test_table_knows_no_infinite_value() -> None:
    table = table_of([{"a": 1.0, "b": None}, {"a": float("inf")}], ("a", "b"))
    assert table[0, 0] == 1.0
    assert np.isnan(table).sum() == 3
