"""Laws that every registered quality model obeys. There is no list of exceptions: a model without a fit here fails."""

import json
import math
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.features import features
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.quality import QualityModel, QualityPrediction, quality_models
from hospital_agent.analysis.quality.fitting import fit_quality_model
from hospital_agent.analysis.quality.fused import TOGETHER
from hospital_agent.analysis.quality.fused_fit import fit_fused
from hospital_agent.analysis.quality.inputs import DEFAULT_INPUTS
from hospital_agent.analysis.quality.quantities import FAILURE_PROBABILITY, PREDICTED_DICE
from hospital_agent.analysis.uncertainty import uncertainty_scores
from tests.quality_cases import simulated_cases


def fused() -> QualityModel:
    rows, dice, patients = simulated_cases(patients=20, each=2)
    groups = [f"shift-{i % 3}" for i in range(len(rows))]
    return fit_fused(rows, dice, patients, groups, {item.name: "higher_is_worse" for item in DEFAULT_INPUTS})


FITTED: dict[str, Callable[[], QualityModel]] = {
    "fused_quality": cache(fused),
    "logistic_regression": cache(lambda: fit_quality_model(*simulated_cases(patients=20))),
}
NAMES = quality_models.load("hospital_agent.analysis.quality").names()
every_model = pytest.mark.parametrize("name", NAMES)

numbers = st.one_of(st.none(), st.floats(-1e6, 1e6), st.floats(0, 1))
some_scores = st.dictionaries(st.sampled_from([item.name for item in DEFAULT_INPUTS]), numbers)


def checked(answer: QualityPrediction) -> QualityPrediction:
    assert 0 <= answer.low <= answer.high <= 1
    assert answer.interval_note
    assert (answer.predicted_dice is None) == (answer.failure_probability is None)
    if answer.predicted_dice is not None and answer.failure_probability is not None:
        assert PREDICTED_DICE.accepts(answer.predicted_dice)
        assert FAILURE_PROBABILITY.accepts(answer.failure_probability)
        assert answer.low <= answer.predicted_dice <= answer.high
    assert all(math.isfinite(share) for share in answer.contributions.values())
    return answer


def test_every_registered_model_is_tried_and_no_other() -> None:
    assert set(FITTED) == set(NAMES)


@pytest.mark.parametrize(
    ("group", "known"),
    [
        ("features", features.load("hospital_agent.analysis.features").names()),
        ("uncertainty", uncertainty_scores.load("hospital_agent.analysis.uncertainty").names()),
        ("ood", [f"{name}_log10" for name in ood_scores.load("hospital_agent.analysis.ood").names()]),
    ],
)
def test_every_default_input_is_registered(group: str, known: list[str]) -> None:
    if not known:
        pytest.skip(f"The registry of {group} is still empty.")
    assert [item.name for item in DEFAULT_INPUTS if item.group == group and item.name not in known] == []


@every_model
@given(scores=some_scores)
@settings(max_examples=60, deadline=None)
def test_any_values_give_a_defined_or_an_openly_undefined_answer(name: str, scores: dict[str, float | None]) -> None:
    answer = checked(FITTED[name]().predict(scores, empty=False))
    assert set(answer.contributions) <= {*FITTED[name]().inputs, TOGETHER}


@every_model
@given(scores=some_scores)
@settings(max_examples=20, deadline=None)
def test_an_empty_mask_is_undefined_whatever_else_is_known(name: str, scores: dict[str, float | None]) -> None:
    answer = checked(FITTED[name]().predict(scores, empty=True))
    assert answer.predicted_dice is None
    assert (answer.low, answer.high, answer.flagged) == (0.0, 1.0, False)


@every_model
@given(scores=some_scores)
@settings(max_examples=20, deadline=None)
def test_survives_json(name: str, scores: dict[str, float | None]) -> None:
    model = FITTED[name]()
    again = type(model).from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))
    assert again.inputs == model.inputs
    assert again.predict(scores, empty=False) == model.predict(scores, empty=False)
