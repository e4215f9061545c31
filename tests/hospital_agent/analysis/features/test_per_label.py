"""Two labels whose values are known on paper, beside one that is missing."""

from dataclasses import replace

import numpy as np
import pytest

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import features
from hospital_agent.analysis.features.per_label import per_label
from hospital_agent.analysis.imaging.volume import Triple
from tests.cases import case_of
from tests.phantoms import box

SHAPE, SPACING = (8, 20, 20), (5.0, 2.0, 2.0)  # a voxel is 0.02 ml
FEATURES = {name: feature() for name, feature in features.load("hospital_agent.analysis.features").items()}


def labels() -> np.ndarray:
    """Label 1: a box of 4 x 5 x 5 voxels, one inside missing. Label 2: boxes of 2 x 3 x 2 and 2 x 2 x 2."""
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[box(SHAPE, (2, 3, 3), (6, 8, 8))] = 1
    drawn[4, 5, 5] = 0
    drawn[box(SHAPE, (2, 12, 12), (4, 15, 14))] = 2
    drawn[box(SHAPE, (2, 17, 17), (4, 19, 19))] = 2
    return drawn


def case(drawn: np.ndarray, classes: int | None = None, spacing_mm: Triple = SPACING, modality: str = "CT") -> Case:
    image = np.where(drawn == 1, 40, np.where(drawn == 2, -600, -1000)).astype(np.int16)
    whole = case_of(drawn > 0, spacing_mm=spacing_mm, array=image, modality=modality)
    softmax = None if classes is None else np.full((classes, 2, 2, 2), 1 / classes, np.float32)
    return replace(whole, segmentation=replace(whole.segmentation, labels=drawn, class_probabilities=softmax))


def test_each_label_has_its_own_values_on_paper() -> None:
    values = per_label(case(labels()), FEATURES)
    assert set(values) == {f"label_{number}_{name}" for number in (1, 2) for name in FEATURES}
    assert values["label_1_lesion_volume_ml"] == pytest.approx(99 * 0.02)
    assert values["label_2_lesion_volume_ml"] == pytest.approx(20 * 0.02)
    assert (values["label_1_component_count"], values["label_2_component_count"]) == (1, 2)
    assert values["label_1_largest_component_fraction"] == 1
    assert values["label_2_largest_component_fraction"] == pytest.approx(12 / 20)
    assert (values["label_1_intensity_mode_hu"], values["label_2_intensity_mode_hu"]) == (40, -600)
    assert values["label_1_hole_fraction"] > 0 == values["label_2_hole_fraction"]  # type: ignore[operator]


def test_a_label_alone_is_a_task_of_its_own() -> None:
    drawn = labels()
    values = per_label(case(drawn), FEATURES)
    image = case(drawn).volume.array
    for number in (1, 2):
        alone = case_of(drawn == number, spacing_mm=SPACING, array=image)
        assert {name: values[f"label_{number}_{name}"] for name in FEATURES} == {
            name: feature.compute(alone) for name, feature in FEATURES.items()
        }


def test_a_label_that_was_not_predicted_is_an_empty_mask() -> None:
    drawn = labels()
    drawn[drawn == 1] = 0
    values = per_label(case(drawn, classes=4), FEATURES)
    assert len(values) == 3 * len(FEATURES)
    for absent in (1, 3):
        assert (values[f"label_{absent}_lesion_volume_ml"], values[f"label_{absent}_component_count"]) == (0, 0)
        assert values[f"label_{absent}_smoothness"] is None
        assert values[f"label_{absent}_intensity_mode_hu"] is None
    assert per_label(case(np.zeros(SHAPE, np.uint8)), FEATURES) == {}  # without probabilities nobody knows the labels


def test_mr_has_no_hounsfield_units_and_one_label_needs_no_names() -> None:
    values = per_label(case(labels(), modality="MR"), FEATURES)
    assert values["label_1_intensity_mode_hu"] is values["label_2_intensity_spread_hu"] is None
    assert values["label_1_lesion_volume_ml"] == pytest.approx(99 * 0.02)
    assert per_label(case_of(labels() > 0), FEATURES) == {}
