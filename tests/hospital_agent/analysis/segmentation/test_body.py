"""The box around the body: tight, with its margin, without the table, and never empty."""

import numpy as np

from hospital_agent.analysis.segmentation.body import body_box

SPACING = (3.0, 3.0, 3.0)


def body_in_air(shape=(20, 60, 70)) -> np.ndarray:
    image = np.full(shape, -1000.0, dtype=np.float32)
    image[:, 15:40, 20:55] = 40.0
    return image


def test_the_box_holds_the_body_with_a_margin_and_little_more():
    z, y, x = body_box(body_in_air(), SPACING)
    assert (z.start, z.stop) == (0, 20)
    assert 10 <= y.start <= 13
    assert 42 <= y.stop <= 45
    assert 15 <= x.start <= 18
    assert 57 <= x.stop <= 60


def test_a_table_below_the_patient_does_not_count():
    image = body_in_air()
    image[:, 52:54, 5:65] = 200.0
    assert body_box(image, SPACING) == body_box(body_in_air(), SPACING)


def test_lungs_inside_the_body_are_inside_the_box():
    image = body_in_air()
    image[:, 20:35, 25:50] = -850.0
    assert body_box(image, SPACING) == body_box(body_in_air(), SPACING)


def test_without_a_body_it_is_the_whole_image():
    assert body_box(np.full((3, 4, 5), -1000.0, np.float32), SPACING) == (slice(0, 3), slice(0, 4), slice(0, 5))


def test_one_thick_slice_has_a_body_too():
    z, _, _ = body_box(body_in_air((1, 60, 70)), (8.0, 3.0, 3.0))
    assert z == slice(0, 1)
