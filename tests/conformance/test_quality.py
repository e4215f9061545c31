"""Laws that every registered quality model obeys. There is no list of exceptions: a model without a fit here fails."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.errors import ModelMismatch, TooFewCases
from hospital_agent.analysis.features import features
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.quality import QualityModel, QualityPrediction, quality_models
from hospital_agent.analysis.quality.fitting import fit_quality_model
from hospital_agent.analysis.quality.fused_fit import fit_fused
from hospital_agent.analysis.quality.inputs import DEFAULT_INPUTS
from hospital_agent.analysis.quality.quantities import FAILURE_PROBABILITY, PREDICTED_DICE
from hospital_agent.analysis.quality.viewed import ViewedQualityModel
from hospital_agent.analysis.uncertainty import uncertainty_scores
from shared.quantities import Direction
from tests.quality_cases import simulated_cases

Fit = Callable[[Sequence[Mapping[str, float | None]], Sequence[float], Sequence[str]], QualityModel]

WAYS: dict[str, Direction] = {
    "lesion_volume_ml": "higher_is_better",
    "intensity_mode_hu": "neither",
    "smoothness_5mm": "higher_is_better",
    "lesion_in_lungs": "higher_is_better",
}
DIRECTIONS: dict[str, Direction] = {
    item.name: WAYS.get(item.name, "higher_is_worse") for item in DEFAULT_INPUTS if item.name != "mean_entropy"
}


def fused(rows: Sequence[Mapping[str, float | None]], dice: Sequence[float], patients: Sequence[str]) -> QualityModel:
    groups = [f"shift-{i % 3}" for i in range(len(rows))]
    return fit_fused(rows, dice, patients, groups, DIRECTIONS)


def viewed(kind: type[ViewedQualityModel]) -> Fit:
    return partial(fit_quality_model, kind=kind)


NAMES = quality_models.load("hospital_agent.analysis.quality").names()
VIEWED = {
    name: viewed(kind)
    for name, kind in quality_models.items()
    if isinstance(kind, type) and issubclass(kind, ViewedQualityModel)
}
FIT: dict[str, Fit] = {"fused_quality": fused, **VIEWED}
CASES = simulated_cases(patients=20, each=2)


def few() -> tuple[list[dict[str, float | None]], list[float], list[str]]:
    """Few patients, so few rounds of fitting; one input is undefined for all of them and one the same."""
    rows, dice, patients = simulated_cases(patients=6, each=6)
    return [{**row, "lesion_in_lungs": None, "fragment_count": 4.0} for row in rows], dice, patients


FEW = few()
every_model = pytest.mark.parametrize("name", NAMES)

numbers = st.one_of(st.none(), st.floats(-1e6, 1e6), st.floats(0, 1))
some_scores = st.dictionaries(st.sampled_from([*(item.name for item in DEFAULT_INPUTS), "unknown_name"]), numbers)


@cache
def fitted(name: str) -> QualityModel:
    return FIT[name](*CASES)


@cache
def small(name: str) -> QualityModel:
    return FIT[name](*FEW)


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
    assert set(FIT) == set(NAMES)
    assert {"forest", "fused_quality", "logistic_regression", "mlp", "ridge", "svm", "svr"} <= set(NAMES)


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
@settings(max_examples=15, deadline=None)
def test_any_values_give_a_defined_or_an_openly_undefined_answer(name: str, scores: dict[str, float | None]) -> None:
    answer = checked(fitted(name).predict(scores, empty=False))
    assert set(answer.contributions) <= set(fitted(name).inputs)


@every_model
def test_an_empty_mask_is_undefined_whatever_else_is_known(name: str) -> None:
    for scores in ({}, CASES[0][0], {"lesion_volume_ml": 0.0}):
        answer = checked(fitted(name).predict(scores, empty=True))
        assert answer.predicted_dice is None
        assert (answer.low, answer.high, answer.flagged, dict(answer.contributions)) == (0.0, 1.0, False, {})
        assert "empty mask" in answer.interval_note


@every_model
def test_a_case_of_which_nothing_is_known_is_undefined(name: str) -> None:
    for nothing in ({}, dict.fromkeys(CASES[0][0]), {"unknown_name": 3.0}):
        answer = checked(fitted(name).predict(nothing, empty=False))
        assert answer.predicted_dice is None
        assert "none of the values" in answer.interval_note


@every_model
def test_unknown_names_change_nothing(name: str) -> None:
    row = CASES[0][0]
    assert fitted(name).predict({**row, "unknown_name": 1e9}, empty=False) == fitted(name).predict(row, empty=False)


@every_model
def test_survives_json_without_pickle(name: str) -> None:
    model = fitted(name)
    again = type(model).from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))
    assert (again.inputs, again.version) == (model.inputs, "1")
    assert again.flag_quality(mask_only=False) == model.flag_quality(mask_only=False)
    for row in [*CASES[0][:6], {"lesion_volume_ml": 3.0, "component_count": 2.0}]:
        assert again.predict(row, empty=False) == model.predict(row, empty=False)


@every_model
def test_damaged_json_is_named(name: str) -> None:
    whole = fitted(name).to_json()
    for damaged in ({}, whole | {"kind": "other"}, *({k: v for k, v in whole.items() if k != key} for key in whole)):
        with pytest.raises(ModelMismatch, match="quality model"):
            type(fitted(name)).from_json(damaged)


@every_model
def test_predicts_unseen_patients_better_than_a_guess_and_flags_failures(name: str) -> None:
    rows, truth, _ = simulated_cases(patients=40, each=2, seed=99)
    dice = np.array(truth)
    answers = [checked(fitted(name).predict(row, empty=False)) for row in rows]
    told = np.array([answer.predicted_dice for answer in answers], dtype=float)
    risk = np.array([answer.failure_probability for answer in answers], dtype=float)
    assert np.abs(told - dice).mean() < 0.9 * np.abs(dice - dice.mean()).mean()
    assert np.corrcoef(np.argsort(np.argsort(risk)), np.argsort(np.argsort(dice)))[0, 1] < -0.4
    flagged = np.array([answer.flagged for answer in answers])
    assert flagged[dice < 0.6].mean() > flagged[dice >= 0.6].mean() + 0.2


@every_model
def test_contributions_tell_of_the_difference_between_two_cases(name: str) -> None:
    """In log-odds of failure, so that two cases differ by what their contributions differ."""
    answers = [fitted(name).predict(row, empty=False) for row in CASES[0][:6]]
    shares = np.array([sum(answer.contributions.values()) for answer in answers])
    odds = np.array([math.log(p / (1 - p)) for p in (answer.failure_probability or 0.5 for answer in answers)])
    np.testing.assert_allclose(shares - shares[0], odds - odds[0], atol=1e-3)


@every_model
def test_is_the_same_every_time(name: str) -> None:
    assert small(name).to_json() == FIT[name](*FEW).to_json()


@every_model
def test_fewer_than_nineteen_patients_leave_the_interval_open_and_say_why(name: str) -> None:
    rows = FEW[0]
    answer = small(name).predict(rows[0], empty=False)
    assert (answer.low, answer.high) == (0.0, 1.0)
    assert "too few patients" in answer.interval_note
    assert fitted(name).predict(rows[0], empty=False).high - fitted(name).predict(rows[0], empty=False).low < 1


@every_model
def test_refuses_what_nobody_could_learn_from(name: str) -> None:
    rows, dice, patients = simulated_cases(patients=12, each=2)
    with pytest.raises(TooFewCases):
        FIT[name](rows, [0.9] * len(rows), patients)  # no failed case
    with pytest.raises(TooFewCases):
        FIT[name](rows, [0.1] * len(rows), patients)  # only failed cases
    with pytest.raises(TooFewCases):
        FIT[name](rows, dice, ["one"] * len(rows))
    with pytest.raises(TooFewCases):
        FIT[name]([{"lesion_volume_ml": 3.0}] * len(rows), dice, patients)  # nothing varies
    with pytest.raises(TooFewCases):
        FIT[name]([dict.fromkeys(rows[0])] * len(rows), dice, patients)  # nothing is defined
    with pytest.raises(TooFewCases):
        FIT[name]([], [], [])
    with pytest.raises(ValueError, match="between 0 and 1"):
        FIT[name](rows, [1.5, *dice[1:]], patients)
    with pytest.raises(ValueError, match="one Dice"):
        FIT[name](rows, dice[1:], patients)


@every_model
def test_an_input_that_is_undefined_for_all_or_constant_is_left_out(name: str) -> None:
    assert not {"lesion_in_lungs", "fragment_count"} & set(small(name).inputs)
    assert {"lesion_in_lungs", "fragment_count"} <= set(fitted(name).inputs)
    assert checked(small(name).predict(CASES[0][0], empty=False)).predicted_dice is not None


def test_predict_without_scikit_learn_and_torch() -> None:
    """All in one fresh process, which takes longer to start than they take; the first that imports one is named."""
    program = """
import json, sys
from hospital_agent.analysis.quality import quality_models as known
known.load("hospital_agent.analysis.quality")
case, models = json.load(sys.stdin)
for name, model in models.items():
    known.get(name).from_json(model).predict(case, empty=False)
    print(name, [heavy for heavy in ("sklearn", "torch") if heavy in sys.modules])
"""
    told = json.dumps([CASES[0][0], {name: fitted(name).to_json() for name in NAMES}])
    done = subprocess.run([sys.executable, "-c", program], input=told, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{name} []" for name in NAMES]
