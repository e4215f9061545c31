"""What the fused model answers: sure of nothing that it was not told, and never further than training went plus one."""

import json
from typing import Any

import numpy as np
import pytest

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.quality import QualityPrediction
from hospital_agent.analysis.quality.fused import FusedQualityModel, FusedScore, spread_of
from hospital_agent.analysis.quality.fused_fit import fit_fused
from hospital_agent.analysis.quality.trees import TreeEnsemble
from tests.quality_cases import shifted_cases

CASES = shifted_cases(patients=20, families=2)


@pytest.fixture(scope="module")
def model() -> FusedQualityModel:
    return fit_fused(CASES.rows, CASES.dice, CASES.patients, CASES.families, CASES.directions)  # names alone count


@pytest.fixture(scope="module")
def answers(model: FusedQualityModel) -> list[QualityPrediction]:
    return [model.predict(row) for row in CASES.rows]


def test_line_and_trees_on_paper() -> None:
    stump = TreeEnsemble.from_json(
        {
            "roots": [0],
            "feature": [0, -1, -1],
            "threshold": [0.5, 0, 0],
            "left": [1, -1, -1],
            "right": [2, -1, -1],
            "value": [0, -1, 1],
        },
        columns=1,
    )
    score = FusedScore(np.array([2.0]), 0.25, 0.5, stump)
    np.testing.assert_allclose(score.badness(np.array([[0.0], [1.0]])), [0.25 - 0.5, 2.25 + 0.5])


def test_risk_and_prediction_rank_alike(model: FusedQualityModel, answers: list[QualityPrediction]) -> None:
    risk = np.array([model.risk(row) for row in CASES.rows[:60]])
    dice = np.array([answer.predicted_dice for answer in answers[:60]], dtype=float)
    np.testing.assert_array_equal(np.argsort(risk, kind="stable"), np.argsort(-dice, kind="stable"))
    assert np.all((risk > 0) & (risk < 1))


def test_what_no_training_case_reached_counts_for_more_and_not_for_everything(model: FusedQualityModel) -> None:
    weights = dict(zip(model.encoding.names, model.score.weights, strict=True))
    name = max(weights, key=lambda one: abs(weights[one]))
    item = model.encoding.inputs[model.encoding.names.index(name)]
    end = item.knots[-1] if weights[name] > 0 else item.knots[0]
    step = (item.knots[-1] - item.knots[0]) * (1 if weights[name] > 0 else -1)
    risks = [model.risk({**CASES.rows[0], name: end + share * step}) for share in (0.0, 0.02, 1e6, 1e9)]
    assert risks[0] < risks[1] <= risks[2] == risks[3] < 1


def test_contributions_sum_to_the_difference_from_the_training_mean(model: FusedQualityModel) -> None:
    mean = float(model.failure.log_odds(model.score.badness(model.start[None]))[0])
    for row in CASES.rows[:5]:
        answer = model.predict(row)
        told = float(model.failure.log_odds(model.score.badness(model.encoding.columns([row])))[0])
        assert sum(answer.contributions.values()) == pytest.approx(told - mean)
        assert answer.failure_probability == pytest.approx(1 / (1 + np.exp(-told)))


def test_an_interval_is_wider_where_more_is_possible(
    model: FusedQualityModel, answers: list[QualityPrediction]
) -> None:
    np.testing.assert_allclose(spread_of(np.array([0.0, 0.5, 1.0])), [0.1, 0.5, 0.1])
    assert model.interval_note.startswith("90 % over 20 patients under images of shifts not seen")
    inside = [a.low <= truth <= a.high for a, truth in zip(answers, CASES.dice, strict=True)]
    assert np.mean(inside) > 0.85
    assert all(a.high - a.low < 1 for a in answers)


def test_is_not_measured_on_masks_of_other_products(model: FusedQualityModel) -> None:
    assert model.flag_quality(mask_only=True) is None
    told = model.flag_quality(mask_only=False)
    assert told is not None
    assert 0.8 < told.specificity.estimate <= 1


@pytest.mark.parametrize(
    "damage",
    [
        {"start": [0.0]},
        {"inputs": []},
        {"score": {}},
        {"dice": [1.0]},
        {"flag_quality": {"sensitivity": 1}},
        {"interval_scale": "wide"},
    ],
)
def test_damage_is_named(model: FusedQualityModel, damage: dict[str, Any]) -> None:
    whole = json.loads(json.dumps(model.to_json()))
    assert FusedQualityModel.from_json(whole).risk(CASES.rows[0]) == model.risk(CASES.rows[0])
    with pytest.raises(ModelMismatch, match="quality model"):
        FusedQualityModel.from_json(whole | damage)


def test_tells_its_threshold_to_whoever_counts_flags(
    model: FusedQualityModel, answers: list[QualityPrediction]
) -> None:
    assert model.thresholds == (model.threshold,)
    assert all(a.flagged == ((a.failure_probability or 0) > model.thresholds[0]) for a in answers)
