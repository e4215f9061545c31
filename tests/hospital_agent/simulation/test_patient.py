"""Simulated patients: the same seed is the same patient, and truth follows the slices."""

import numpy as np

from hospital_agent.simulation.hosts import phantom_host, real_host
from hospital_agent.simulation.patient import draw_lesion_count, simulate_patient
from hospital_agent.simulation.phantom import draw_chest, render_chest
from hospital_agent.simulation.scanner import Scanner


def simulate(scanner: Scanner, lesions: int = 4):
    host = phantom_host(3, shape=(36, 34, 40), spacing_mm=(6.0, 6.0, 6.0))
    return simulate_patient(host, scanner, np.random.default_rng(9), lesion_count=lesions)


def test_the_same_seed_is_the_same_patient():
    first, second = simulate(Scanner("sharp", 0.5)), simulate(Scanner("sharp", 0.5))
    assert np.array_equal(first.volume.array, second.volume.array)
    assert np.array_equal(first.truth, second.truth)


def test_lesions_do_not_depend_on_the_scanner_that_sees_them():
    first, second = simulate(Scanner()), simulate(Scanner("sharp", 0.3))
    assert [lesion.centre_mm for lesion in first.lesions] == [lesion.centre_mm for lesion in second.lesions]
    assert np.array_equal(first.truth, second.truth)


def test_thick_slices_keep_the_volume_of_the_truth():
    thin, thick = simulate(Scanner()), simulate(Scanner(slice_mm=12.0))
    assert thick.volume.shape[0] == thin.volume.shape[0] / 2
    volumes = [case.truth.sum() * case.volume.voxel_ml for case in (thin, thick)]
    assert abs(volumes[0] - volumes[1]) < 0.25 * volumes[0]


def test_a_healthy_patient_has_no_lesion():
    assert not simulate(Scanner(), lesions=0).truth.any()


def test_the_share_of_healthy_patients_is_the_one_asked_for():
    counts = [draw_lesion_count(np.random.default_rng(i), 0.45) for i in range(2000)]
    assert abs(np.mean(np.array(counts) == 0) - 0.45) < 0.04
    assert max(counts) == 8


def test_a_chest_has_air_filled_lungs_inside_a_body():
    shape, spacing = (36, 34, 40), (6.0, 6.0, 6.0)
    chest = draw_chest(np.random.default_rng(0), tuple(n * s for n, s in zip(shape, spacing, strict=True)))
    image, lungs = render_chest(chest, shape, spacing)
    assert 1000 < lungs.sum() * 0.216 < 3500  # millilitres
    assert np.median(image[lungs]) < -780
    assert image[0, 0, 0] == -1000
    left, right = lungs[:, :, :20].sum(), lungs[:, :, 20:].sum()
    assert 0.6 < left / right < 1.7


def test_dense_tissue_of_a_real_host_is_ignored_and_vessels_are_not():
    host = phantom_host(5)
    image = host.image_hu.copy()
    z, y, x = (int(c) for c in np.argwhere(host.lungs).mean(axis=0))
    x = int(np.argwhere(host.lungs[z, y]).ravel()[8])
    image[z - 4 : z + 5, y - 4 : y + 5, x - 4 : x + 5] = 0.0
    from hospital_agent.analysis.imaging.volume import Volume

    ignored = real_host("a", "a", Volume(image, host.spacing_mm), host.lungs, None).ignore
    assert ignored[z, y, x]
    assert (ignored & host.lungs).sum() < 0.2 * host.lungs.sum()
