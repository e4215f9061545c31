"""Ribs and what lies between them and aerated lung, in a drawn chest."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.lungs.rib_cage import disease_at_the_ribs, ribs_of
from tests.phantoms import Thorax, box, sphere, thorax

SPACING = (3.0, 3.0, 3.0)


def left_lung(body: Thorax) -> np.ndarray:
    half = np.zeros(body.lungs.shape, bool)
    half[:, :, body.lungs.shape[2] // 2 :] = True
    return body.lungs & half & ~body.lesion


def found_in(body: Thorax, ribs: np.ndarray | None = None) -> np.ndarray:
    hu = body.volume.array.astype(np.float32)
    lung = left_lung(body)
    bone = ribs_of(hu, lung, SPACING) if ribs is None else ribs
    return disease_at_the_ribs(hu, bone, lung, body.lungs.shape[2] / 2, SPACING)


@pytest.mark.parametrize("side", ["behind", "beside"])
def test_dense_disease_up_to_the_ribs_is_found(side: str) -> None:
    body = thorax(SPACING, ribs=True, at_the_ribs=side)  # type: ignore[arg-type]
    found = found_in(body)
    assert (found & body.lesion).sum() / body.lesion.sum() > 0.6
    assert (found & ~body.lungs).sum() < 0.3 * body.lesion.sum()


def test_a_healthy_chest_wall_is_left_outside() -> None:
    body = thorax(SPACING, ribs=True)
    assert found_in(body).sum() < 0.01 * body.lungs.sum()


def test_without_ribs_nothing_is_known() -> None:
    body = thorax(SPACING, at_the_ribs="behind")
    assert not found_in(body, np.zeros(body.lungs.shape, bool)).any()


def test_fat_between_lung_and_bone_is_chest_wall() -> None:
    body = thorax(SPACING, ribs=True, at_the_ribs="behind")
    body.volume.array[body.lesion] = -100
    assert found_in(body).sum() < 0.02 * body.lungs.sum()


def test_ribs_are_thin_and_outside_the_lung() -> None:
    hu = np.full((40, 40, 40), 30, np.float32)
    rib = box((40, 40, 40), (10, 5, 5), (13, 8, 35))
    heart = sphere((40, 40, 40), SPACING, (75, 75, 75), 30)
    vessel = box((40, 40, 40), (30, 30, 30), (32, 32, 38))
    for bright in (rib, heart, vessel):
        hu[bright] = 300
    ribs = ribs_of(hu, vessel, SPACING)
    assert ribs[rib].all()
    assert not ribs[heart].any()
    assert not ribs[vessel].any()
