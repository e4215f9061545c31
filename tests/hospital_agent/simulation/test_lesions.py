"""Inserted lesions: their volume, their place, and that the truth says exactly what was inserted."""

import numpy as np
import pytest

from hospital_agent.simulation.lesions import (
    LARGEST_ML,
    SMALLEST_ML,
    TEST_ONLY_FAMILIES,
    TRAINING_FAMILIES,
    Lesion,
    draw_lesions,
    insert_lesions,
)

SPACING = (2.0, 2.0, 2.0)


def ball(radius_mm: float, centre_mm: tuple[float, float, float], family: str = "consolidation") -> Lesion:
    return Lesion(
        family=family,
        centre_mm=centre_mm,
        radii_mm=(radius_mm,) * 3,
        rotation=np.eye(3),
        waves=np.zeros((6, 5)),
        edge_mm=2.0,
        ground_hu=-500.0,
        core_hu=20.0,
        texture_seed=3,
    )


def air_lungs(shape=(40, 40, 40)) -> tuple[np.ndarray, np.ndarray]:
    return np.full(shape, -850.0, dtype=np.float32), np.ones(shape, dtype=bool)


def test_a_ball_without_waves_has_the_volume_of_a_ball():
    host, lungs = air_lungs()
    _, truth = insert_lesions(host, lungs, SPACING, (ball(20.0, (40.0, 40.0, 40.0)),))
    volume_ml = float(truth.sum()) * 0.008
    assert volume_ml == pytest.approx(4 / 3 * np.pi * 2.0**3, rel=0.02)


def test_the_same_ball_has_the_same_volume_on_thick_slices():
    host, lungs = air_lungs((10, 40, 40))
    _, truth = insert_lesions(host, lungs, (8.0, 2.0, 2.0), (ball(20.0, (36.0, 40.0, 40.0)),))
    assert float(truth.sum()) * 0.032 == pytest.approx(4 / 3 * np.pi * 2.0**3, rel=0.08)


def test_the_image_changes_only_where_the_truth_says_so():
    host, lungs = air_lungs()
    image, truth = insert_lesions(host, lungs, SPACING, (ball(15.0, (40.0, 40.0, 40.0)),))
    assert np.array_equal(image[truth == 0], host[truth == 0])
    assert image[truth == 1].mean() > -300


def test_a_lesion_ends_where_the_lung_ends():
    host, lungs = air_lungs()
    lungs[:, :, 20:] = False
    _, truth = insert_lesions(host, lungs, SPACING, (ball(15.0, (40.0, 40.0, 40.0)),))
    assert truth[:, :, :19].any()
    assert not truth[:, :, 20:].any()


@pytest.mark.parametrize("family", [*TRAINING_FAMILIES, *TEST_ONLY_FAMILIES])
def test_dense_vessels_stay_visible(family: str):
    host, lungs = air_lungs()
    host[20, 20, :] = 300.0
    image, _ = insert_lesions(host, lungs, SPACING, (ball(15.0, (40.0, 40.0, 40.0), family),))
    assert np.array_equal(image[20, 20, :], host[20, 20, :])


def test_a_lesion_outside_the_volume_changes_nothing():
    host, lungs = air_lungs()
    image, truth = insert_lesions(host, lungs, SPACING, (ball(5.0, (400.0, 400.0, 400.0)),))
    assert np.array_equal(image, host)
    assert not truth.any()


def test_drawn_lesions_lie_in_the_lungs_and_in_the_declared_sizes():
    lungs = np.zeros((40, 40, 40), dtype=bool)
    lungs[5:35, 5:35, 5:18] = True
    lesions = draw_lesions(np.random.default_rng(1), lungs, SPACING, 200)
    volumes = [4 / 3 * np.pi * np.prod(lesion.radii_mm) / 1000 for lesion in lesions]
    assert min(volumes) >= SMALLEST_ML * 0.999
    assert max(volumes) <= LARGEST_ML * 1.001
    assert all(lungs[tuple(round(c / 2) for c in lesion.centre_mm)] for lesion in lesions)
    assert {lesion.family for lesion in lesions} == set(TRAINING_FAMILIES)


def test_test_only_families_never_come_by_default():
    assert not set(TRAINING_FAMILIES) & set(TEST_ONLY_FAMILIES)


def test_no_lungs_or_no_wish_gives_no_lesion():
    nothing = np.zeros((4, 4, 4), dtype=bool)
    assert draw_lesions(np.random.default_rng(0), nothing, SPACING, 3) == ()
    assert draw_lesions(np.random.default_rng(0), ~nothing, SPACING, 0) == ()
