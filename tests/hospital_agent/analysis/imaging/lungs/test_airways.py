"""A trachea of known width and length, followed from the top until it opens into lung."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.lungs.airways import airways_of
from tests.phantoms import box

SPACING = (3.0, 3.0, 3.0)
SHAPE = (40, 50, 60)


def neck(trachea: np.ndarray) -> np.ndarray:
    """Tissue with air where the trachea is, framed by room air as every image is."""
    hu = np.full(SHAPE, 40.0, np.float32)
    hu[trachea] = -1000
    hu[:, :4] = hu[:, -4:] = hu[:, :, :4] = hu[:, :, -4:] = -1000
    return hu


def followed(hu: np.ndarray, air: np.ndarray) -> np.ndarray:
    return airways_of(hu, air, SPACING)


def test_a_trachea_is_followed_to_its_end_with_its_wall() -> None:
    trachea = box(SHAPE, (10, 23, 27), (40, 28, 32))
    found = followed(neck(trachea), trachea)
    assert (found & trachea).sum() == trachea.sum()
    assert found[20].sum() == 5 * 5 + 4 * 5, "one voxel of wall on each of its four sides"


def test_it_ends_where_it_opens_into_lung() -> None:
    trachea = box(SHAPE, (18, 23, 27), (40, 28, 32))
    lung = box(SHAPE, (3, 10, 10), (18, 40, 50))
    hu = neck(trachea)
    hu[lung] = -850
    found = followed(hu, trachea | lung)
    assert (found & trachea).sum() == trachea.sum()
    assert (found & lung).sum() <= 5 * 5, "no more than the wall below its last slice"


def test_a_bronchus_inside_lung_is_told_from_it_by_density() -> None:
    trachea = box(SHAPE, (8, 23, 27), (40, 28, 32))
    lung = box(SHAPE, (3, 10, 10), (20, 40, 50)) & ~trachea
    hu = neck(trachea)
    hu[lung] = -800
    found = followed(hu, trachea | lung)
    assert (found & trachea).sum() == trachea.sum()
    assert (found & lung).sum() < 0.1 * lung.sum()


@pytest.mark.parametrize(
    "piece",
    [
        box(SHAPE, (10, 23, 8), (40, 28, 13)),
        box(SHAPE, (10, 10, 15), (40, 40, 45)),
        box(SHAPE, (35, 23, 27), (40, 28, 32)),
        box(SHAPE, (10, 25, 29), (40, 27, 31)),
        np.zeros(SHAPE, bool),
    ],
    ids=["off the midline", "too wide", "too short", "too narrow", "nothing"],
)
def test_what_is_no_trachea_is_left_alone(piece: np.ndarray) -> None:
    assert not followed(neck(piece), piece).any()


def test_an_image_without_tissue_has_none() -> None:
    assert not followed(np.full(SHAPE, -1000, np.float32), np.ones(SHAPE, bool)).any()
