"""The curve of gamma, and noise whose mean and spread are those of the textbook."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.simulation.shifts.contrast_and_noise import Gamma, Noise
from hospital_agent.simulation.shifts.signal import Signal

ONE = (1.0, 1.0, 1.0)


def curve(gamma: float, values: np.ndarray) -> np.ndarray:
    signal = Signal(values.reshape(1, 1, -1).astype(np.float32), 0.0, False, 0.0, 1.0)
    return Gamma(gamma).change(signal).ravel()


@pytest.mark.parametrize("gamma", [0.3, 0.8, 1.25, 3.2])
def test_gamma_keeps_air_and_bright_tissue_and_goes_on_straight_above(gamma: float) -> None:
    values = np.linspace(0, 3, 601)
    curved = curve(gamma, values)
    assert (curved[0], curved[200]) == (0, 1)
    assert np.all(np.diff(curved) > 0)
    np.testing.assert_allclose(curved[:200], values[:200] ** gamma, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.diff(curved[201:]), gamma * 0.005, rtol=1e-2)


def test_gamma_above_one_darkens() -> None:
    assert curve(2.0, np.array([0.5]))[0] == pytest.approx(0.25)
    assert curve(0.5, np.array([0.25]))[0] == pytest.approx(0.5)


def test_mild_is_drawn_both_ways() -> None:
    gammas = [Gamma.draw(1, np.random.default_rng(seed)).gamma for seed in range(40)]
    assert 5 < sum(gamma > 1 for gamma in gammas) < 35


def test_noise_of_mr_is_rician() -> None:
    array = np.zeros((20, 100, 100), np.float32)
    array[:, 50:] = 500
    signal = Signal.of(Volume(array, ONE, modality="MR"))
    noisy = Noise(0.05, 7).change(signal)
    air, tissue = noisy[:, :50], noisy[:, 50:]
    assert air.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.01)
    assert air.std() == pytest.approx(0.05 * np.sqrt(2 - np.pi / 2), rel=0.01)
    assert tissue.mean() == pytest.approx(1 + 0.05**2 / 2, rel=1e-3)
    assert tissue.std() == pytest.approx(0.05, rel=0.01)


def test_noise_of_ct_is_even_and_without_bias() -> None:
    signal = Signal.of(Volume(np.zeros((20, 100, 100), np.int16), ONE))
    noisy = (Noise(0.05, 7).change(signal) - 1) * 1024
    assert noisy.std() == pytest.approx(51.2, rel=0.01)
    assert noisy.mean() == pytest.approx(0, abs=0.5)


def test_the_seed_decides_the_noise() -> None:
    signal = Signal.of(Volume(np.ones((2, 8, 8), np.float32), ONE, modality="MR"))
    assert not np.array_equal(Noise(0.1, 1).change(signal), Noise(0.1, 2).change(signal))
