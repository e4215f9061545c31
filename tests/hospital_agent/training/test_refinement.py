"""Refinement on a few hearts: artefacts that look like a heart's ball are unlearnt, and every refusal has its name."""

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from monai.losses import GeneralizedDiceLoss
from torch import nn

from hospital_agent.analysis.errors import (
    EverythingFlagged,
    NoAnnotatedCase,
    NothingFlagged,
    TooFewCases,
    UnknownLabel,
    WorseAfterwards,
)
from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.quality.tukey import Fences, fences_of
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.analysis.segmentation.sliding_window import NOTHING
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.training.refinement import RefinementPlan, refine, weighted_generalised_dice
from hospital_agent.training.refinement_cases import look, refuse_what_is_worse
from hospital_agent.training.refinement_table import comparison
from tests.anatomy import GRID, case, heart, heart_autoencoder, heart_network

PLAN = RefinementPlan(patch=(1, 40, 40), most_epochs=4, steps_a_case=20, learning_rate=3e-3)


@pytest.fixture(scope="module")
def autoencoder() -> MaskAutoencoder:
    torch.set_num_threads(1)
    return heart_autoencoder()


@pytest.fixture(scope="module")
def segmenter() -> NetworkSegmenter:
    return NetworkSegmenter(
        heart_network(), GRID, keep=NOTHING, classes=4, backend="test", version="1", model_hash="none", device="cpu"
    )


def replaced(segmenter: NetworkSegmenter, network: nn.Module) -> NetworkSegmenter:
    """The segmenter with another network."""
    return NetworkSegmenter(
        network, segmenter.grid, keep=NOTHING, classes=4, backend="test", version="2", model_hash="none", device="cpu"
    )


UNLABELLED = [case(50 + i, artefact=i < 3) for i in range(6)]
ANNOTATED = [case(70 + i, annotated=True) for i in range(5)]


@pytest.fixture(scope="module")
def fences(segmenter: NetworkSegmenter, autoencoder: MaskAutoencoder) -> Fences:
    return fences_of(look(segmenter, autoencoder, case(30 + i)).pseudo for i in range(8))


def test_what_disagreed_with_its_reconstruction_agrees_afterwards(
    segmenter: NetworkSegmenter, autoencoder: MaskAutoencoder, fences: Fences
) -> None:
    weights = {name: value.clone() for name, value in segmenter.network.state_dict().items()}
    said: list[str] = []
    found = refine(segmenter, autoencoder, UNLABELLED, ANNOTATED, fences, PLAN, said.append)
    assert {"c50", "c51", "c52"} <= set(found.flagged_before)
    assert found.flagged_after == ()
    assert found.held_out == tuple(sorted(found.held_out))
    assert set(found.held_out) < {one.patient for one in ANNOTATED}
    assert len(found.held_out) == 2
    assert 1 <= found.epochs <= PLAN.most_epochs  # it ends as soon as nothing is flagged
    assert len(said) == found.epochs
    told = {(one.cases, one.measure): one for one in found.table}
    refined = replaced(segmenter, found.network)
    for one in UNLABELLED:  # healed by segmenting the heart, not by segmenting nothing
        own, truth = refined.segment(one.volume).mask, heart(int(one.name[1:])) > 0
        assert dice(own, truth) > 0.9
    better = told["flagged", "pdc"]
    assert better.before is not None
    assert better.after is not None
    assert better.after > better.before
    assert told["annotated", "dice"].patients == 2
    assert not told["annotated", "dice"].worse
    assert not told["unflagged", "pdc"].worse
    assert all(torch.equal(value, weights[name]) for name, value in segmenter.network.state_dict().items())
    assert any(not torch.equal(value, weights[name]) for name, value in found.network.state_dict().items())


def test_nothing_annotated_and_too_few_annotated_patients_are_refused(
    segmenter: NetworkSegmenter, autoencoder: MaskAutoencoder, fences: Fences
) -> None:
    nobody = [case(70), replace(case(71), labels=np.zeros_like(heart(71)))]
    with pytest.raises(NoAnnotatedCase, match="needs annotated cases"):
        refine(segmenter, autoencoder, UNLABELLED, nobody, fences, PLAN)
    with pytest.raises(TooFewCases, match="3 patients"):
        refine(segmenter, autoencoder, UNLABELLED, ANNOTATED[:2], fences, PLAN)


def test_nothing_flagged_and_everything_flagged_are_refused(
    segmenter: NetworkSegmenter, autoencoder: MaskAutoencoder
) -> None:
    lenient, strict = Fences(0.0, 1e9, 9, "validation"), Fences(1.1, 0.0, 9, "validation")
    with pytest.raises(NothingFlagged, match="nothing is refined"):
        refine(segmenter, autoencoder, UNLABELLED[:2], ANNOTATED, lenient, PLAN)
    with pytest.raises(EverythingFlagged, match="All 2 cases"):
        refine(segmenter, autoencoder, UNLABELLED[:2], ANNOTATED, strict, PLAN)
    quick = replace(PLAN, even_if_all=True, most_epochs=1, steps_a_case=1, learning_rate=1e-6)
    found = refine(segmenter, autoencoder, UNLABELLED[:2], ANNOTATED, strict, quick)
    assert found.flagged_after == ("c50", "c51")


def test_a_network_that_segments_nothing_heals_nothing(
    segmenter: NetworkSegmenter, autoencoder: MaskAutoencoder, fences: Fences, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every mask is erased: the flagged ones stay flagged, the others become so, and all of them are in the table."""

    def erase(refined: NetworkSegmenter, *_: object) -> None:
        with torch.no_grad():
            cast(UNet, refined.network).head.bias[0] += 1e4

    monkeypatch.setattr("hospital_agent.training.refinement._train_epoch", erase)
    said: list[str] = []
    with pytest.raises(WorseAfterwards, match="dice of annotated cases falls"):
        refine(segmenter, autoencoder, UNLABELLED, ANNOTATED, fences, replace(PLAN, most_epochs=2), said.append)
    assert said == [f"epoch {epoch}: 6 of 6 cases are flagged" for epoch in (1, 2)]


def test_no_image_and_annotations_with_other_labels_are_refused(
    segmenter: NetworkSegmenter, autoencoder: MaskAutoencoder, fences: Fences
) -> None:
    with pytest.raises(TooFewCases, match="no image to refine on"):
        refine(segmenter, autoencoder, [], ANNOTATED, fences, PLAN)
    coded = [replace(one, labels=(heart(70 + i) * 80).astype(np.uint8)) for i, one in enumerate(ANNOTATED)]
    with pytest.raises(UnknownLabel, match="label 240, and the model knows 3 labels"):
        refine(segmenter, autoencoder, UNLABELLED[:2], coded, fences, PLAN)


def test_a_network_that_forgets_is_refused(
    segmenter: NetworkSegmenter, autoencoder: MaskAutoencoder, fences: Fences
) -> None:
    wild = replace(PLAN, learning_rate=5.0, most_epochs=1, steps_a_case=2)
    with pytest.raises(WorseAfterwards, match="not proposed"):
        refine(segmenter, autoencoder, UNLABELLED, ANNOTATED, fences, wild)


def test_the_interval_of_a_difference_by_hand() -> None:
    """Two patients with differences 0.1 and 0.3: their resampled mean is one of 0.1, 0.2 and 0.3."""
    told = comparison("dice", "annotated", [0.5, 0.5, None], [0.6, 0.8, 0.9], ["a", "b", "c"], higher_is_better=True)
    assert (told.before, told.after, told.count, told.patients) == (0.5, pytest.approx(0.7), 2, 2)
    assert (told.low, told.high) == (pytest.approx(0.1), pytest.approx(0.3))
    assert not told.worse
    fallen = comparison("dice", "annotated", [0.6, 0.8], [0.5, 0.5], ["a", "b"], higher_is_better=True)
    assert fallen.worse
    with pytest.raises(WorseAfterwards):
        refuse_what_is_worse([fallen])
    assert comparison("phd_mm", "flagged", [1.0, 1.0], [2.0, 3.0], ["a", "b"], higher_is_better=False).worse
    alone = comparison("dice", "annotated", [0.9, 0.8], [0.1, 0.1], ["a", "a"], higher_is_better=True)
    assert (alone.low, alone.high, alone.worse) == (None, None, False)
    assert comparison("dice", "annotated", [], [], [], higher_is_better=True).before is None


def test_generalised_dice_agrees_with_monai_and_an_importance_moves_it() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 3, 8, 8, generator=generator)
    target = torch.randint(0, 3, (2, 3, 8, 8), generator=generator)  # label 3 is nowhere
    monai = GeneralizedDiceLoss(
        include_background=False, to_onehot_y=True, softmax=True, batch=True, smooth_nr=0.0, smooth_dr=0.0
    )(logits, target[:, None])
    ours = weighted_generalised_dice(logits, target)
    assert ours.item() == pytest.approx(monai.item(), rel=1e-5)
    assert weighted_generalised_dice(logits, target, (2.0, 2.0, 2.0)).item() == pytest.approx(ours.item(), rel=1e-5)
    assert weighted_generalised_dice(logits, target, (9.0, 1.0, 1.0)).item() != pytest.approx(ours.item(), rel=1e-3)
    perfect = 40 * torch.nn.functional.one_hot(target, 4).permute(0, 4, 1, 2, 3).float()
    assert weighted_generalised_dice(perfect, target).item() == pytest.approx(0.0, abs=1e-6)


def test_a_target_without_foreground_drives_foreground_out() -> None:
    logits = torch.zeros(1, 3, 1, 4, 4, requires_grad=True)
    weighted_generalised_dice(logits, torch.zeros(1, 1, 4, 4, dtype=torch.long)).backward()
    assert logits.grad is not None
    assert bool((logits.grad[:, 0] < 0).all())
    assert bool((logits.grad[:, 1:] > 0).all())
