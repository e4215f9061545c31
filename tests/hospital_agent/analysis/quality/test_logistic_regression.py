"""What the shipped model answers: its empty-mask rules, its views, and its form on disk."""

import json
import subprocess
import sys

import pytest

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.quality import quality_models
from hospital_agent.analysis.quality.fitting import fit_quality_model
from hospital_agent.analysis.quality.logistic_regression import LogisticQualityModel
from hospital_agent.analysis.quality.viewed import ViewedQualityModel
from tests.quality_cases import simulated_cases

MASK_NAMES = (
    "lesion_volume_ml",
    "component_count",
    "fragment_count",
    "intensity_mode_hu",
    "smoothness_5mm",
    "lesion_in_lungs",
)


@pytest.fixture(scope="module")
def model() -> ViewedQualityModel:
    return fit_quality_model(*simulated_cases(patients=30), version="7")


def a_case() -> dict[str, float | None]:
    return dict(simulated_cases(patients=1, each=1, seed=5)[0][0])


def test_an_empty_mask_has_no_predicted_dice_and_is_no_flag(model: ViewedQualityModel) -> None:
    answer = model.predict({"lesion_volume_ml": 0.0, "component_count": 0.0}, empty=True)
    assert (answer.predicted_dice, answer.failure_probability) == (None, None)
    assert (answer.low, answer.high, answer.flagged) == (0.0, 1.0, False)
    assert "rate against the site baseline" in answer.interval_note
    assert answer.contributions == {}


def test_a_case_of_which_nothing_is_known_is_undefined_and_not_average(model: ViewedQualityModel) -> None:
    for nothing in ({}, dict.fromkeys(a_case())):
        answer = model.predict(nothing, empty=False)
        assert answer.predicted_dice is None
        assert "none of the values" in answer.interval_note


def test_the_prediction_lies_in_its_interval_and_says_what_that_stands_on(model: ViewedQualityModel) -> None:
    answer = model.predict(a_case(), empty=False)
    assert answer.predicted_dice is not None
    assert answer.failure_probability is not None
    assert 0 <= answer.low < answer.predicted_dice < answer.high <= 1
    assert 0 < answer.failure_probability < 1
    assert answer.interval_note.startswith("90 % over simulated lesions in known anatomies, ")
    assert answer.flagged == (answer.failure_probability > model.views[0].threshold)


def test_contributions_have_names_and_point_the_right_way(model: ViewedQualityModel) -> None:
    calm = a_case() | {"mean_entropy_foreground": 0.2, "mahalanobis_log10": 0.0}
    wild = calm | {"mean_entropy_foreground": 0.8, "mahalanobis_log10": 0.5}
    first, second = model.predict(calm, empty=False), model.predict(wild, empty=False)
    assert set(first.contributions) == set(model.inputs)
    for name in ("mean_entropy_foreground", "mahalanobis_log10"):
        assert second.contributions[name] > first.contributions[name]
    assert second.failure_probability > first.failure_probability  # type: ignore[operator]
    assert second.predicted_dice < first.predicted_dice  # type: ignore[operator]


def test_a_supplied_mask_is_judged_by_its_features_alone(model: ViewedQualityModel) -> None:
    case = a_case()
    mask_only = {name: case[name] for name in MASK_NAMES}
    assert model.view_for(case) is model.views[0]
    view = model.view_for(mask_only)
    assert view is not None
    assert (view.name, view.groups) == ("mask_only", {"features"})
    answer = model.predict(mask_only | {"mean_entropy": None, "mahalanobis_log10": None}, empty=False)
    assert "from the mask alone" in answer.interval_note
    assert set(answer.contributions) <= set(MASK_NAMES)
    half = mask_only | {"mean_entropy": 1e-3}  # probabilities without features of the network: not the full view
    assert model.view_for(half) is view


def test_one_undefined_value_changes_the_answer_little_and_breaks_nothing(model: ViewedQualityModel) -> None:
    whole = model.predict(a_case(), empty=False)
    for name in a_case():
        answer = model.predict(a_case() | {name: None}, empty=False)
        assert answer.predicted_dice == pytest.approx(whole.predicted_dice, abs=0.4)


def test_survives_json_exactly(model: ViewedQualityModel) -> None:
    again = LogisticQualityModel.from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))
    assert again.version == "7"
    assert again.inputs == model.inputs
    assert again.flag_quality(mask_only=True) == model.flag_quality(mask_only=True)
    for scores in (a_case(), {name: a_case()[name] for name in MASK_NAMES}):
        assert again.predict(scores, empty=False) == model.predict(scores, empty=False)


def test_damaged_json_is_named(model: ViewedQualityModel) -> None:
    whole = json.loads(json.dumps(model.to_json()))
    view = whole["views"][0]
    damaged = [
        {},
        whole | {"kind": "random_forest"},
        whole | {"views": []},
        whole | {"views": [{key: value for key, value in view.items() if key != "platt"}]},
        whole | {"views": [view | {"bins": view["bins"] | {"weights": [[1.0]]}}]},
        whole | {"views": [view | {"flag_quality": None}]},
    ]
    for data in damaged:
        with pytest.raises(ModelMismatch, match="quality model"):
            LogisticQualityModel.from_json(data)


def test_is_registered_and_predicts_without_scikit_learn_or_torch(model: ViewedQualityModel) -> None:
    assert quality_models.load("hospital_agent.analysis.quality").get("logistic_regression") is LogisticQualityModel
    program = (
        "import json, sys; from hospital_agent.analysis.quality.logistic_regression import LogisticQualityModel as M;"
        "data = json.load(sys.stdin); M.from_json(data['model']).predict(data['case'], empty=False);"
        "print([name for name in ('sklearn', 'torch') if name in sys.modules])"
    )
    given = json.dumps({"model": model.to_json(), "case": a_case()})
    done = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
