"""Fit on some simulated patients, and check every promise on others."""

from dataclasses import replace

import numpy as np
import pytest

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.quality import QualityPrediction, fitting
from hospital_agent.analysis.quality.calibration import Platt
from hospital_agent.analysis.quality.fitting import fit_quality_model
from hospital_agent.analysis.quality.inputs import QualityInput
from hospital_agent.analysis.quality.view import QualityView
from hospital_agent.analysis.quality.viewed import ViewedQualityModel
from tests.quality_cases import simulated_cases


@pytest.fixture(scope="module")
def model() -> ViewedQualityModel:
    return fit_quality_model(*simulated_cases(patients=80))


@pytest.fixture(scope="module")
def new(model: ViewedQualityModel) -> tuple[list[QualityPrediction], np.ndarray]:
    rows, dice, _ = simulated_cases(patients=150, seed=99)
    return [model.predict(row, empty=False) for row in rows], np.array(dice)


def test_predicts_dice_of_new_patients_better_than_a_guess(new: tuple[list[QualityPrediction], np.ndarray]) -> None:
    answers, dice = new
    predicted = np.array([answer.predicted_dice for answer in answers], dtype=float)
    assert np.abs(predicted - dice).mean() < 0.55 * np.abs(dice - dice.mean()).mean()
    assert abs((predicted - dice).mean()) < 0.03


def test_the_interval_holds_new_patients_as_often_as_it_says(
    new: tuple[list[QualityPrediction], np.ndarray],
) -> None:
    answers, dice = new
    inside = np.mean([answer.low <= truth <= answer.high for answer, truth in zip(answers, dice, strict=True)])
    assert 0.85 <= inside <= 0.96
    assert np.mean([answer.high - answer.low for answer in answers]) < 0.6


def test_probabilities_of_failure_mean_what_they_say(new: tuple[list[QualityPrediction], np.ndarray]) -> None:
    answers, dice = new
    probability = np.array([answer.failure_probability for answer in answers], dtype=float)
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
        chosen = (probability >= low) & (probability <= high)
        assert np.mean(dice[chosen] < 0.6) == pytest.approx(probability[chosen].mean(), abs=0.1)


def test_the_measured_sensitivity_and_specificity_hold_for_new_patients(
    model: ViewedQualityModel, new: tuple[list[QualityPrediction], np.ndarray]
) -> None:
    answers, dice = new
    flagged, failed = np.array([answer.flagged for answer in answers]), dice < 0.6
    told = model.flag_quality(mask_only=False)
    assert told.sensitivity.low - 0.05 <= flagged[failed].mean() <= told.sensitivity.high + 0.05
    assert told.specificity.low - 0.05 <= np.mean(~flagged[~failed]) <= told.specificity.high + 0.05
    assert told.specificity.estimate == pytest.approx(0.9, abs=0.05)
    assert told.measured_on == "simulated lesions in known anatomies, 80 patients"


def test_more_is_known_with_the_network_than_from_the_mask_alone(model: ViewedQualityModel) -> None:
    full, mask_only = model.views
    assert (full.name, mask_only.name) == ("full", "mask_only")
    assert full.assessment["failure_auroc"]["value"] > mask_only.assessment["failure_auroc"]["value"] + 0.02
    assert full.assessment["interval_width"]["value"] < mask_only.assessment["interval_width"]["value"]


@pytest.fixture(scope="module")
def of_twelve() -> ViewedQualityModel:
    return fit_quality_model(*simulated_cases(patients=12))


def test_is_the_same_every_time(of_twelve: ViewedQualityModel) -> None:
    assert fit_quality_model(*simulated_cases(patients=12)).to_json() == of_twelve.to_json()


def test_empty_masks_and_undefined_dice_are_left_out(of_twelve: ViewedQualityModel) -> None:
    rows, dice, patients = simulated_cases(patients=12)
    more = [*rows, {"lesion_volume_ml": 0.0}, {"lesion_volume_ml": 0.0}]
    wider = fit_quality_model(
        more, [*dice, 0.0, None], [*patients, "x", "y"], empty=[False] * len(rows) + [True, False]
    )
    assert wider.to_json() == of_twelve.to_json()


def test_features_alone_make_a_model_with_one_view() -> None:
    rows, dice, patients = simulated_cases(patients=12)
    inputs = [QualityInput("lesion_volume_ml", "features", 0.01), QualityInput("lesion_in_lungs", "features")]
    model = fit_quality_model(rows, dice, patients, inputs=inputs)
    assert [view.name for view in model.views] == ["mask_only"]


def test_few_patients_leave_the_interval_open_and_say_why() -> None:
    rows, dice, patients = simulated_cases(patients=8)
    answer = fit_quality_model(rows, dice, patients).predict(rows[0], empty=False)
    assert (answer.low, answer.high) == (0.0, 1.0)
    assert "too few patients" in answer.interval_note


def test_two_kinds_of_dice_are_enough_to_learn_from() -> None:
    rows, dice, patients = simulated_cases(patients=20)
    only_two = [0.3 if value < 0.6 else 0.9 for value in dice]
    model = fit_quality_model(rows, only_two, patients)
    assert model.flag_quality(mask_only=False).sensitivity.estimate > 0.5


def test_refuses_what_it_cannot_learn_from() -> None:
    rows, dice, patients = simulated_cases(patients=6)
    with pytest.raises(ValueError, match="one Dice and one patient"):
        fit_quality_model(rows, dice[:-1], patients)
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_quality_model(rows, [1.5, *dice[1:]], patients)
    with pytest.raises(TooFewCases):
        fit_quality_model(rows, dice, ["one"] * len(rows))
    with pytest.raises(TooFewCases, match="No case has a value"):
        fit_quality_model([{}] * len(rows), dice, patients)


def test_scores_of_the_network_that_point_the_wrong_way_are_left_to_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fitting._view

    def misled(*, name: str, **told: object) -> QualityView:
        view = fit(name=name, **told)
        return replace(view, platt=Platt(0.0, 0.0)) if name == "full" else view

    monkeypatch.setattr(fitting, "_view", misled)
    rows, dice, patients = simulated_cases(patients=20)
    assert [view.name for view in fit_quality_model(rows, dice, patients).views] == ["mask_only"]


def test_figures_are_given_for_each_kind_of_patient() -> None:
    rows, dice, patients = simulated_cases(patients=20, each=2)
    kinds = ["real" if name in sorted(set(patients))[:4] else "phantom" for name in patients]
    told = fit_quality_model(rows, dice, patients, groups=kinds).views[0].assessment["by_group"]
    assert (told["real"]["patient_count"], told["phantom"]["patient_count"]) == (4, 16)
    assert told["real"]["case_count"] + told["phantom"]["case_count"] == len(rows)
    assert 0 <= told["real"]["interval_coverage"] <= 1
