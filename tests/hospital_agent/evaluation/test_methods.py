"""Every registered method stands in the tables, with its price, and with a reason where it cannot run."""

from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.quality import quality_models
from hospital_agent.analysis.uncertainty import sampled_scores, uncertainty_scores
from hospital_agent.evaluation.learners import learners_for
from hospital_agent.evaluation.methods import BESIDE, SOURCES, methods_of
from hospital_agent.evaluation.rows import Condition, Method, Scored

for registry, package in ((ood_scores, "ood"), (uncertainty_scores, "uncertainty"), (quality_models, "quality")):
    registry.load(f"hospital_agent.analysis.{package}")  # type: ignore[attr-defined]


def row(failures: dict[str, str] | None = None, **values: float | None) -> Scored:
    return Scored(
        "task", 0, "test", "p", "p_0", Condition(), 0.5, {}, None, None, None, None, values, {}, failures or {}
    )


def found(rows: list[Scored], **given: bool) -> dict[str, Method]:
    return {method.name: method for method in methods_of(rows, learners_for(2), 5, **given)}


def test_every_registered_score_and_quality_model_is_a_method() -> None:
    named = found([row()])
    assert set(named) == {
        *uncertainty_scores.names(),
        *ood_scores.names(),
        *sampled_scores.names(),
        *quality_models.names(),
    }
    assert set(SOURCES) <= set(named), "a source names a method that is not registered"
    assert set(BESIDE) <= set(named), "a price names a method that is not registered"


def test_a_method_says_its_price_and_whether_it_learned() -> None:
    named = found([row(mc_dropout=0.1, ensemble_entropy=0.1, fused_quality=0.2)])
    assert named["mc_dropout"].passes == 10
    assert named["ensemble_entropy"].passes == 5
    assert named["mean_entropy"].passes == 1
    assert {named[name].price for name in named if name.startswith("segmentation_distortion")} == {"1 + decoder"}
    assert {named[name].price for name in ("outlier_exposure", "lee_gan")} == {"1 + another network"}
    assert (named["mc_dropout"].price, named["mahalanobis"].price) == ("10", "1")
    assert named["fused_quality"].supervised
    assert named["logistic_regression"].supervised
    assert not named["mahalanobis"].supervised


def test_what_cannot_run_says_why() -> None:
    failures = {"mah_dist": "This task has one class.", "mc_dropout": "No dropout."}
    named = found([row(failures, mean_entropy=0.5, mahalanobis=None)])
    assert named["mah_dist"].not_applicable == "This task has one class."
    assert named["mc_dropout"].not_applicable == "No dropout."
    assert named["mahalanobis"].not_applicable == "It is undefined for every image."
    assert named["mean_entropy"].not_applicable is None
    assert "too few" in (named["fused_quality"].not_applicable or "")


def test_what_failed_on_one_image_and_worked_on_another_is_in_the_tables() -> None:
    assert found([row({"mahalanobis": "No."}), row(mahalanobis=1.0)])["mahalanobis"].not_applicable is None


def test_a_task_may_do_without_methods_of_several_passes() -> None:
    assert "several passes" in (found([row()], several_passes=False)["odin"].not_applicable or "")


def test_the_paper_models_see_the_mask_alone_and_the_default_sees_one_pass() -> None:
    learners = {learner.name: learner for learner in learners_for(2)}
    assert "label_2_smoothness" in learners["logistic_regression"].inputs
    assert not set(learners["logistic_regression"].inputs) & set(uncertainty_scores.names())
    assert {*uncertainty_scores.names(), *ood_scores.names()} <= set(learners["fused_quality"].inputs)
    assert not set(learners["fused_quality"].inputs) & set(sampled_scores.names())
    assert not any(name.startswith("label_") for name in learners_for(1)[0].inputs)
