"""Scanners: averages are exact, noise follows dose and thickness, kernels keep their order."""

import numpy as np
import pytest

from hospital_agent.simulation.scanner import NOISE_HU, Scanner, acquire, average_slices, draw_scanner

SPACING = (3.0, 3.0, 3.0)


def flat(shape=(24, 40, 40)) -> np.ndarray:
    return np.zeros(shape, dtype=np.float32)


def noise_of(scanner: Scanner) -> float:
    image, _ = acquire(flat(), SPACING, scanner, np.random.default_rng(5), clean=True)
    return float(image.std())


@pytest.mark.parametrize("kernel", ["soft", "standard", "sharp"])
def test_noise_at_full_dose_is_what_the_table_says(kernel):
    assert noise_of(Scanner(kernel)) == pytest.approx(NOISE_HU[kernel], rel=0.03)


def test_a_quarter_of_the_dose_doubles_the_noise():
    assert noise_of(Scanner("standard", 0.25)) == pytest.approx(2 * noise_of(Scanner("standard", 1.0)), rel=0.03)


def test_slices_of_double_thickness_have_less_noise():
    assert noise_of(Scanner("standard", 1.0, 6.0)) == pytest.approx(NOISE_HU["standard"] / np.sqrt(2), rel=0.04)


def test_a_real_host_brings_its_own_noise_and_gets_none_on_top():
    image, _ = acquire(flat(), SPACING, Scanner("standard", 1.0), np.random.default_rng(0), clean=False)
    assert image.std() == 0


def test_sharp_enhances_and_soft_blurs_an_edge():
    body = flat()
    body[:, :, 20:] = 100.0
    spread = {}
    for kernel in ("soft", "standard", "sharp"):
        image, _ = acquire(body, SPACING, Scanner(kernel, 1e9), np.random.default_rng(0), clean=True)
        spread[kernel] = float(image.max() - image.min())
        steep = float(np.abs(np.diff(image, axis=2)).max())
        spread[kernel + " slope"] = steep
    assert spread["sharp"] > spread["standard"] == 100.0
    assert spread["sharp slope"] > spread["standard slope"] > spread["soft slope"]


def test_thick_slices_keep_the_mean():
    body = np.random.default_rng(0).normal(size=(20, 4, 4)).astype(np.float32)
    thick, spacing = average_slices(body, (1.0, 1.0, 1.0), 5.0)
    assert spacing == (5.0, 1.0, 1.0)
    assert thick.shape == (4, 4, 4)
    assert thick.mean() == pytest.approx(body.mean(), abs=1e-6)


def test_thick_slices_that_do_not_divide_the_stack_average_exactly_what_lies_in_them():
    ramp = np.arange(10, dtype=np.float32).reshape(10, 1, 1)
    thick, _ = average_slices(ramp, (1.0, 1.0, 1.0), 2.5)
    assert thick.ravel().tolist() == pytest.approx([0.8, 3.2, 5.8, 8.2])


def test_values_stay_whole_and_inside_what_ct_can_store():
    image, _ = acquire(flat() - 1024, SPACING, Scanner("sharp", 0.1), np.random.default_rng(0), clean=True)
    assert image.min() >= -1024
    assert np.array_equal(image, np.rint(image))


@pytest.mark.parametrize("wrong", [{"kernel": "edgy"}, {"dose": 0.0}, {"slice_mm": -1.0}])
def test_an_impossible_scanner_is_refused(wrong):
    with pytest.raises(ValueError, match="scanner"):
        Scanner(**wrong)


def test_drawn_scanners_never_thin_the_slices_of_the_host():
    scanners = [draw_scanner(np.random.default_rng(i), 5.0) for i in range(50)]
    assert all(s.slice_mm is None or s.slice_mm > 5.0 for s in scanners)
    assert {s.kernel for s in scanners} == {"soft", "standard", "sharp"}
