"""The order of the science: what a result holds, and that a failing part costs only itself."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.errors import GeometryMismatch, ModelMismatch
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.errors import CaseFailed
from hospital_agent.pipeline import CaseFailure, analyse_case, reason_of
from hospital_agent.toolkit import Toolkit
from shared.quantities import Quantity, linear_cuts
from tests.agent_site import quick_toolkit
from tests.series_files import chest_values


@pytest.fixture
def volume() -> Volume:
    return Volume(chest_values((6, 12, 10)), (3.0, 1.0, 1.5))


class Unusual:
    quantity = Quantity(
        "mahalanobis", "", "higher_is_worse", 0, float("inf"), 1, linear_cuts(0, 9), "M", monitored=False
    )
    wire_quantity = Quantity("mahalanobis_log10", "", "higher_is_worse", -9, 9, 1, linear_cuts(-2, 2), "M")

    def __init__(self, value: float | None = 20.0) -> None:
        self.value = value

    def compute(self, segmentation: Segmentation) -> float | None:
        return self.value


def broken(answer: Any) -> Any:
    class Broken:
        quantity = Quantity("odd", "", "neither", 0.0, 1.0, 1, linear_cuts(0.0, 1.0), "An odd score")

        def compute(self, what: object) -> float | None:
            if isinstance(answer, Exception):
                raise answer
            return answer

    return Broken()


def toolkit_with(**changes: Any) -> Toolkit:
    return quick_toolkit(
        ood={"mahalanobis": Unusual()},
        validation={"mahalanobis": ValidationRange(1.0, 10.0, 40.0), "mean_entropy": ValidationRange(0.1, 0.2, 0.4)},
        **changes,
    )


def test_a_result_holds_every_block_by_its_names(volume: Volume) -> None:
    told = analyse_case(volume, toolkit_with()).to_json(mask_path="mask.nii.gz")
    assert {"segmentation", "features", "uncertainty", "ood", "quality", "timings_s", "warnings"} <= set(told)
    assert told["segmentation"].items() >= {
        "backend": "bundled", "model_version": "7.1", "model_hash": "b" * 64, "device": "cpu", "mask": "mask.nii.gz",
    }.items()  # fmt: skip
    assert told["ood"] == {
        "mahalanobis": 20.0,
        "mahalanobis_log10": pytest.approx(np.log10(2.0)),
        "mahalanobis_normalised": pytest.approx(19 / 79),
    }
    assert set(told["uncertainty"]) == {"mean_entropy", "mean_entropy_normalised"}
    assert set(told["quality"]) >= {"predicted_dice", "interval", "failure_probability"}
    assert set(told["timings_s"]) == {"lungs", "segmentation", "features", "uncertainty", "ood", "quality"}
    json.dumps(told, allow_nan=False)


def test_the_volume_of_the_mask_is_in_millilitres(volume: Volume) -> None:
    mask = np.zeros(volume.shape, dtype=bool)
    mask[1:3, 4:6, 4:8] = True
    told = analyse_case(volume, toolkit_with(), mask=mask).to_json()
    assert told["segmentation"]["volume_ml"] == pytest.approx(16 * 3.0 * 1.0 * 1.5 / 1000)


def test_a_supplied_mask_is_scored_without_a_network(volume: Volume) -> None:
    result = analyse_case(volume, toolkit_with(segmenter=None), mask=np.zeros(volume.shape, dtype=bool))
    assert result.segmentation.backend == "supplied_mask"
    assert result.uncertainty["mean_entropy"] is None
    assert result.uncertainty["mean_entropy_normalised"] is None
    assert result.empty


def test_without_mask_and_segmenter_there_is_no_result(volume: Volume) -> None:
    with pytest.raises(CaseFailed) as caught:
        analyse_case(volume, toolkit_with(segmenter=None))
    assert caught.value.reason == "no_segmenter"


def test_an_empty_mask_leaves_what_it_cannot_have_undefined(volume: Volume) -> None:
    result = analyse_case(volume, toolkit_with(), mask=np.zeros(volume.shape, dtype=bool))
    assert result.features == {"lesion_volume_ml": 0.0, "intensity_mode_hu": None}
    assert result.values["predicted_dice"] is None
    assert result.failures == ()


def test_a_full_mask_is_scored(volume: Volume) -> None:
    result = analyse_case(volume, toolkit_with(), mask=np.ones(volume.shape, dtype=bool))
    assert result.features["lesion_volume_ml"] == pytest.approx(volume.array.size * volume.voxel_ml)
    assert result.failures == ()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ValueError("text"), "unexpected_error"),
        (ModelMismatch("text"), "analysis_error"),
        (MemoryError(), "out_of_memory"),
        (float("nan"), "value_out_of_range"),
        (float("inf"), "value_out_of_range"),
        (7.0, "value_out_of_range"),
    ],
)
@pytest.mark.parametrize("stage", ["features", "uncertainty", "ood"])
def test_a_failing_score_is_left_out_recorded_and_costs_no_other(
    volume: Volume, stage: str, answer: Any, reason: str
) -> None:
    toolkit = toolkit_with()
    scores: Mapping[str, Any] = {**getattr(toolkit, stage), "odd": broken(answer)}
    result = analyse_case(volume, replace(toolkit, **{stage: scores}))
    assert result.failures == (CaseFailure(stage, reason),)
    assert "odd" not in result.values
    assert result.features["lesion_volume_ml"] is not None
    assert any("odd score" in warning for warning in result.warnings)
    json.dumps(result.to_json(), allow_nan=False)


def test_a_failing_quality_model_leaves_no_prediction(volume: Volume) -> None:
    class Dying:
        inputs, version = (), "1"

        def predict(self, scores: object, *, empty: bool) -> None:
            raise ValueError

    result = analyse_case(volume, toolkit_with(quality=Dying()))
    assert result.quality is None
    assert result.failures == (CaseFailure("quality", "unexpected_error"),)
    assert "predicted_dice" not in result.values


def test_a_failing_segmenter_is_a_failed_case(volume: Volume) -> None:
    class OutOfMemoryError(RuntimeError):
        pass

    class Dying:
        def segment(self, volume: Volume) -> Segmentation:
            raise OutOfMemoryError

    with pytest.raises(CaseFailed) as caught:
        analyse_case(volume, toolkit_with(segmenter=Dying()))
    assert (caught.value.stage, caught.value.reason) == ("segmentation", "out_of_memory")


class Lungs:
    def find(self, volume: Volume) -> Any:
        return np.ones(volume.shape, dtype=bool)


def test_lungs_are_found_supplied_or_absent(volume: Volume) -> None:
    found = analyse_case(volume, toolkit_with(lungs=Lungs(), lungs_backend="all"))
    assert (found.lungs_backend, found.lungs_ml) == ("all", pytest.approx(volume.array.size * volume.voxel_ml))
    given = analyse_case(volume, toolkit_with(lungs=Lungs()), lungs=np.zeros(volume.shape, dtype=bool))
    assert (given.lungs_backend, given.lungs_ml) == ("supplied", 0.0)
    assert analyse_case(volume, toolkit_with()).lungs_ml is None


def test_a_failing_lung_backend_leaves_the_lungs_out(volume: Volume) -> None:
    class Dying:
        def find(self, volume: Volume) -> None:
            raise ValueError

    seen: list[Case] = []

    class Looks:
        quantity = Quantity("seen", "", "neither", 0.0, 1.0, 1, linear_cuts(0.0, 1.0), "Seen")

        def compute(self, case: Case) -> float | None:
            seen.append(case)
            return None

    result = analyse_case(volume, toolkit_with(lungs=Dying(), features={"seen": Looks()}))
    assert result.failures == (CaseFailure("lungs", "unexpected_error"),)
    assert seen[0].lungs is None
    assert seen[0].lungs_backend == "none"


def test_a_mask_on_another_grid_is_refused(volume: Volume) -> None:
    with pytest.raises(GeometryMismatch):
        analyse_case(volume, toolkit_with(), mask=np.zeros((2, 2, 2), dtype=bool))


def test_progress_is_told_stage_by_stage(volume: Volume) -> None:
    told: list[str] = []
    analyse_case(volume, toolkit_with(), progress=told.append)
    assert told == ["lungs", "segmentation", "features", "uncertainty", "ood", "quality"]


def test_a_reason_is_a_slug() -> None:
    assert reason_of(MemoryError()) == "out_of_memory"
    assert reason_of(None) == "value_out_of_range"


def test_analysing_again_and_again_keeps_no_memory(volume: Volume) -> None:
    import gc
    import tracemalloc

    toolkit = toolkit_with()
    for _ in range(20):
        analyse_case(volume, toolkit)
    gc.collect()
    tracemalloc.start()
    for _ in range(200):
        analyse_case(volume, toolkit)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 200_000  # one volume has 2,880 bytes of voxels, its analysis several times that
