"""Lungs of a thorax drawn on paper, from thin to thick slices, with disease inside that a plain threshold cuts out."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.lungs.threshold import ThresholdLungs
from hospital_agent.analysis.imaging.volume import Volume
from tests.phantoms import Thorax, dice, thorax


def find(body: Thorax) -> np.ndarray:
    found = ThresholdLungs().find(body.volume)
    assert found is not None
    assert found.shape == body.volume.shape
    assert found.dtype == np.bool_
    return found


@pytest.mark.parametrize("spacing", [(0.8, 2.0, 2.0), (2.0, 2.0, 2.0), (5.0, 1.5, 1.5), (8.0, 2.0, 2.0)])
def test_the_lungs_of_a_thorax_are_found_at_any_slice_thickness(spacing: tuple) -> None:
    body = thorax(spacing)
    assert dice(find(body), body.lungs) > 0.95


def test_consolidation_inside_a_lung_stays_in_where_a_threshold_loses_it() -> None:
    body = thorax((3.0, 2.0, 2.0), consolidation_mm=17.0)
    found = find(body)
    assert body.lesion.sum() > 0
    assert not ((body.volume.array < -400) & body.lesion).any()
    assert (found & body.lesion).sum() / body.lesion.sum() > 0.97


def test_heart_and_trachea_stay_out() -> None:
    body = thorax((3.0, 2.0, 2.0))
    found = find(body)
    assert (found & body.heart).sum() / body.heart.sum() < 0.1
    assert (found & body.trachea).sum() / body.trachea.sum() < 0.05


def test_room_air_and_mattress_are_not_lung() -> None:
    body = thorax((3.0, 2.0, 2.0))
    found = find(body)
    assert not (found & ~body.body).any()


@pytest.mark.parametrize("flip", [(1,), (2,), (1, 2)])
def test_which_way_a_patient_lies_does_not_matter(flip: tuple) -> None:
    body = thorax((4.0, 3.0, 3.0))
    array = np.ascontiguousarray(np.flip(body.volume.array, flip))
    found = ThresholdLungs().find(Volume(array, body.volume.spacing_mm))
    assert found is not None
    assert dice(np.flip(found, flip), find(body)) > 0.98


def test_a_volume_without_lungs_has_none() -> None:
    solid = np.full((20, 40, 40), 40, np.int16)
    assert ThresholdLungs().find(Volume(solid, (5.0, 5.0, 5.0))) is None
    assert ThresholdLungs().find(Volume(np.full((20, 40, 40), -1000, np.int16), (5.0, 5.0, 5.0))) is None
    head = thorax((4.0, 3.0, 3.0), lungs_hu=40)
    assert ThresholdLungs().find(head.volume) is None
    assert ThresholdLungs().find(Volume(thorax((4.0, 3.0, 3.0)).volume.array, (4.0, 3.0, 3.0), modality="MR")) is None


def test_one_slice_and_one_voxel_are_answered() -> None:
    body = thorax((4.0, 3.0, 3.0))
    middle = body.volume.array[body.volume.shape[0] // 2][None]
    found = ThresholdLungs().find(Volume(middle, (4.0, 3.0, 3.0)))
    assert found is None or found.shape == middle.shape
    assert ThresholdLungs().find(Volume(np.full((1, 1, 1), -800, np.int16), (1.0, 1.0, 1.0))) is None


@pytest.mark.parametrize("side", ["behind", "beside"])
def test_consolidation_against_the_ribs_stays_in(side: str) -> None:
    body = thorax((4.0, 3.0, 3.0), ribs=True, at_the_ribs=side)
    found = find(body)
    assert body.lesion.sum() > 0
    assert (found & body.lesion).sum() / body.lesion.sum() > 0.8
    assert (found & ~body.lungs).sum() / body.lungs.sum() < 0.1


def test_ribs_add_nothing_to_healthy_lungs() -> None:
    body = thorax((4.0, 3.0, 3.0), ribs=True)
    assert dice(find(body), body.lungs) > 0.95


def test_beside_a_white_lung_the_other_one_is_found_and_nothing_is_added() -> None:
    body = thorax((4.0, 3.0, 3.0), ribs=True)
    middle = body.volume.shape[2] // 2
    white = body.lungs & (np.arange(body.volume.shape[2]) >= middle)
    hu = np.where(white, 40, body.volume.array).astype(np.int16)
    found = ThresholdLungs().find(Volume(hu, body.volume.spacing_mm))
    assert found is not None
    assert dice(found, body.lungs & ~white) > 0.93
