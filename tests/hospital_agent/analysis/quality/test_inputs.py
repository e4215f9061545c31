"""From named values to standardised columns: scales, undefined values, and what must never get through."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.quality.inputs import DEFAULT_INPUTS, FARTHEST, Encoding, QualityInput, scaled_table

VOLUME = QualityInput("volume", "features", log_offset=0.01)
SHARE = QualityInput("share", "features")
INPUTS = (VOLUME, SHARE)
ROWS = [{"volume": 0.99, "share": 0.2}, {"volume": 99.99, "share": 0.4}, {"volume": 9.99, "share": None}]


def test_scales_on_paper() -> None:
    assert VOLUME.scaled(9.99) == pytest.approx(1.0)
    assert VOLUME.scaled(0.0) == pytest.approx(-2.0)
    assert SHARE.scaled(0.25) == 0.25
    assert all(math.isnan(SHARE.scaled(value)) for value in (None, math.nan, math.inf))


def test_columns_on_paper() -> None:
    encoding = Encoding.fit(scaled_table(ROWS, INPUTS), INPUTS)
    assert encoding.medians == pytest.approx((1.0, 0.3))
    assert encoding.column_names == ("volume", "share", "share")  # only the share was ever missing
    columns = encoding.encode(ROWS)
    np.testing.assert_allclose(columns.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(columns.std(axis=0), 1)
    assert columns[2, 1] == pytest.approx(0.0)  # 0.3, the median of the known ones, is their mean here
    assert columns[2, 2] > 0 > columns[0, 2]


def test_what_training_never_missed_is_filled_in_without_a_column_of_its_own() -> None:
    encoding = Encoding.fit(scaled_table(ROWS, INPUTS), INPUTS)
    np.testing.assert_allclose(encoding.encode([{"share": 0.2}])[0, 0], encoding.encode([ROWS[2]])[0, 0])


def test_inputs_that_never_vary_or_are_never_there_are_left_out() -> None:
    constant, absent = QualityInput("constant", "features"), QualityInput("absent", "ood")
    rows = [row | {"constant": 3.0} for row in ROWS]
    encoding = Encoding.fit(scaled_table(rows, (constant, VOLUME, absent)), (constant, VOLUME, absent))
    assert encoding.inputs == (VOLUME,)


@given(
    st.dictionaries(
        st.sampled_from(["volume", "share"]),
        st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    )
)
@settings(deadline=None)
def test_nothing_but_finite_numbers_ever_gets_into_a_model(scores: dict[str, float | None]) -> None:
    columns = Encoding.fit(scaled_table(ROWS, INPUTS), INPUTS).encode([scores])
    assert np.isfinite(columns).all()
    assert np.abs(columns).max() <= FARTHEST


def test_survives_json_and_refuses_parts_that_do_not_fit() -> None:
    encoding = Encoding.fit(scaled_table(ROWS, INPUTS), INPUTS)
    data = json.loads(json.dumps(encoding.to_json()))
    assert Encoding.from_json(data) == encoding
    for wrong in ({"medians": [1.0]}, {"deviations": [0.0, 1.0]}, {"indicators": []}):
        with pytest.raises(ValueError, match="encoding"):
            Encoding.from_json(data | wrong)


def test_every_default_input_is_named_once() -> None:
    names = [item.name for item in DEFAULT_INPUTS]
    assert len(set(names)) == len(names)
    assert {item.group for item in DEFAULT_INPUTS} == {"features", "uncertainty", "ood"}
