"""What the quality model and the card are made from: one mask for scores and Dice, and a scale from unseen people."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.training.scored import OnlyWhereKnown, ScoredCase, on_scale, validation_ranges


def case(patient: str, mahalanobis: float, **changes: object) -> ScoredCase:
    values = {"mahalanobis": mahalanobis, "mean_entropy": 0.1, "lesion_volume_ml": 20.0}
    usual = ScoredCase(
        patient=patient, volume=patient, kind="real", unseen_texture=False, kernel="soft", dose=1.0, slice_mm=5.0,
        lesion_ml=20.0, predicted_ml=18.0, volume_error_ml=2.0, ignored_ml=0.0, dice=0.8, surface_dice=0.8,
        outcome="both", values=values,
    )  # fmt: skip
    return replace(usual, **changes)  # type: ignore[arg-type]


class Everywhere:
    def segment(self, volume: Volume) -> Segmentation:
        return Segmentation(
            mask=np.ones(volume.shape, dtype=np.bool_),
            probability=np.full((2, 4, 4), 0.9, dtype=np.float32),
            working_spacing_mm=(2.0, 2.0, 2.0),
            patches=None,
            backend="test",
            model_version="0",
            model_hash="0",
            device="cpu",
            passes=1,
        )


def test_nothing_is_said_where_nothing_is_known() -> None:
    volume = Volume(np.zeros((4, 8, 8), dtype=np.int16), (1.0, 1.0, 1.0))
    ignore = np.zeros(volume.shape, dtype=np.bool_)
    ignore[:2] = True
    known = OnlyWhereKnown(Everywhere(), ignore)
    found = known.segment(volume)
    assert not found.mask[:2].any()
    assert found.mask[2:].all()
    assert found.probability is not None
    assert not found.probability[0].any()
    assert found.probability[1] == pytest.approx(0.9)
    assert known.ignored_ml == pytest.approx(2 * 8 * 8 / 1000)


def test_the_scale_is_that_of_real_patients_each_counted_once_between_all_left_out_cases() -> None:
    cases = [case("a", 100.0), case("a", 100.0), case("a", 100.0), case("b", 300.0), case("p", 5.0, kind="phantom")]
    found = validation_ranges(cases)["mahalanobis"]
    assert (found.low, found.median, found.high) == (5.0, 200.0, 300.0)


def test_scanners_beyond_those_of_training_are_no_part_of_the_scale() -> None:
    cases = [case("a", 100.0), case("b", 900.0, dose=0.05), case("b", 800.0, slice_mm=10.0)]
    assert validation_ranges(cases)["mahalanobis"].high == 100.0


def test_without_real_patients_phantoms_give_the_scale() -> None:
    assert validation_ranges([case("p", 5.0, kind="phantom")])["mahalanobis"].median == 5.0


def test_a_case_is_put_on_the_scale_as_the_agent_would() -> None:
    cases = [case("a", 100.0), case("b", 300.0)]
    values = on_scale(case("c", 2000.0), validation_ranges(cases))
    assert values["mahalanobis_log10"] == pytest.approx(1.0)
    assert values["mahalanobis_normalised"] == 1.0
    assert values["mean_entropy_normalised"] == 0.0
    assert "mean_entropy_log10" not in values


def test_every_score_gets_a_scale_also_where_nothing_was_analysed_before() -> None:
    code = (
        "from tests.hospital_agent.training.test_scored import case;"
        "from hospital_agent.training.scored import validation_ranges;"
        "print(sorted(validation_ranges([case('a', 1.0)])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mahalanobis', 'mean_entropy']"
