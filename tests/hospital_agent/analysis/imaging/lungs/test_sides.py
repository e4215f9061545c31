"""Where the halves of a patient meet, by hand."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.lungs.sides import lungs_midline, tissue_midline
from tests.phantoms import box

SHAPE = (8, 8, 40)
BODY = np.where(box(SHAPE, (0, 0, 4), (8, 8, 37)), 40, -1000).astype(np.int16)  # columns 4 to 36, middle 20
RIGHT, LEFT = box(SHAPE, (0, 0, 6), (8, 8, 16)), box(SHAPE, (0, 0, 24), (8, 8, 34))


def test_tissue_has_its_middle_wherever_the_patient_lies() -> None:
    assert tissue_midline(BODY) == 20
    assert tissue_midline(np.roll(BODY, 3, axis=2)) == 23
    assert tissue_midline(np.full(SHAPE, -1000)) is None


def test_two_lungs_are_parted_in_the_middle_of_their_extent() -> None:
    assert lungs_midline(BODY, RIGHT | LEFT) == (19.5, True)


@pytest.mark.parametrize("lung", [RIGHT, LEFT], ids=["right", "left"])
def test_one_lung_is_parted_from_the_other_half_of_the_body(lung: np.ndarray) -> None:
    assert lungs_midline(BODY, lung) == (20, False)


def test_a_shifted_mediastinum_still_has_two_lungs() -> None:
    shifted = box(SHAPE, (0, 0, 6), (8, 8, 26)) | box(SHAPE, (0, 0, 30), (8, 8, 34))
    assert lungs_midline(BODY, shifted) == (19.5, True)


def test_no_lung_has_no_midline() -> None:
    assert lungs_midline(BODY, np.zeros(SHAPE, bool)) is None
