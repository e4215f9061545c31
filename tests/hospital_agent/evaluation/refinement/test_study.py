"""The study of refinement on hearts: who is flagged, what is measured, and what a refusal leaves."""

from dataclasses import replace

import pytest
import torch

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.analysis.segmentation.sliding_window import NOTHING
from hospital_agent.evaluation.refinement.study import PROPOSED, VARIANTS, Parts, SeedRefinement, study
from hospital_agent.evaluation.rows import Condition
from hospital_agent.training.refinement import RefinementPlan
from tests.anatomy import GRID, case, heart, heart_autoencoder, heart_network

PLAN = RefinementPlan(patch=(1, 40, 40), most_epochs=3, steps_a_case=20, learning_rate=3e-3)


def parts(shown: int, artefacts: int) -> Parts:
    torch.set_num_threads(1)
    candidate = NetworkSegmenter(
        heart_network(), GRID, keep=NOTHING, classes=4, backend="test", version="1", model_hash="none", device="cpu"
    )
    cases = [case(50 + i, artefact=i < artefacts) for i in range(shown)]
    return Parts(
        candidates=[candidate, candidate],
        autoencoder=heart_autoencoder(),
        annotated=[case(70 + i, annotated=True) for i in range(8)],
        shown=cases,
        truths=[replace(one, labels=heart(50 + i)) for i, one in enumerate(cases)],
        conditions=[Condition("artefact", 2) if i < artefacts else Condition() for i in range(shown)],
    )


@pytest.fixture(scope="module")
def healed() -> SeedRefinement:
    return study(parts(6, 3), PLAN, seed=0)


def test_flagged_images_are_healed_without_their_truth(healed: SeedRefinement) -> None:
    assert healed.outcome == PROPOSED
    assert healed.flagged_before >= 3
    assert healed.flagged_after < healed.flagged_before
    sick = [one for one in healed.cases if one.family == "artefact"]
    assert all(one.flagged for one in sick)
    for one in sick:
        assert set(one.dice) == set(one.hausdorff_mm) == set(VARIANTS)
        assert one.hausdorff_mm["refined"] < one.hausdorff_mm["before"]  # type: ignore[operator]
        assert one.dice["selected"] == one.dice["before"]  # both candidates are the same network
    assert [one.strength for one in healed.cases] == [2, 2, 2, 0, 0, 0]
    assert SeedRefinement.from_json(healed.to_json()) == healed


def test_nothing_flagged_leaves_the_networks_as_they_were() -> None:
    found = study(parts(2, 0), replace(PLAN, most_epochs=1), seed=1)
    assert "No case is flagged" in found.outcome
    assert found.epochs == 0
    assert all(set(one.dice) == {"before", "selected"} for one in found.cases)


def test_without_enough_validation_masks_there_are_no_fences() -> None:
    few = parts(2, 1)
    with pytest.raises(TooFewCases, match="Fences need"):
        study(replace(few, annotated=few.annotated[:3]), PLAN, seed=0)
