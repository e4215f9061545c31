"""Fields seen on images of ones, where the image is the field."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.simulation.shifts import STRENGTHS
from hospital_agent.simulation.shifts.bias_field import CT_SHARE, LowFrequencyField, PolynomialField
from hospital_agent.simulation.shifts.signal import Signal

both = pytest.mark.parametrize("kind", [PolynomialField, LowFrequencyField])


def log_field(field: PolynomialField | LowFrequencyField, shape: tuple = (8, 40, 32), modality: str = "MR"):
    value = 1 if modality == "MR" else 0  # water
    signal = Signal.of(Volume(np.full(shape, value, np.float32), (1.0, 1.0, 1.0), modality=modality))
    return np.log(field.change(signal))


@both
@pytest.mark.parametrize("strength", STRENGTHS)
def test_brightens_and_darkens_the_middle_by_about_its_amplitude_and_the_rest_by_at_most_twice_that(kind, strength):
    for seed in range(5):
        drawn = kind.draw(strength, np.random.default_rng(seed))
        field = log_field(drawn)
        assert np.abs(field[2:6, 10:30, 8:24]).max() == pytest.approx(drawn.amplitude, rel=0.08)
        assert np.abs(field).max() <= 2 * drawn.amplitude


@both
def test_is_smooth(kind):
    field = log_field(kind.draw(3, np.random.default_rng(1)), (8, 64, 64))
    assert max(np.abs(np.diff(field, axis=axis)).max() for axis in (1, 2)) < 0.25


@both
def test_is_the_same_field_on_a_finer_grid(kind):
    drawn = kind.draw(2, np.random.default_rng(2))
    fine = log_field(drawn, (24, 120, 96))[1::3, 1::3, 1::3]  # the centres of the coarse voxels
    np.testing.assert_allclose(fine, log_field(drawn), atol=0.06)


def test_a_linear_coefficient_along_x_gives_a_field_that_grows_along_x_alone():
    coefficients = np.zeros((4, 4, 4))
    coefficients[0, 0, 1] = 1
    field = log_field(PolynomialField(0.5, coefficients))
    assert np.ptp(field, axis=(0, 1)).max() < 1e-6
    assert np.all(np.diff(field[0, 0]) > 0)
    np.testing.assert_allclose(field, -field[:, :, ::-1], atol=1e-6)


@both
def test_moves_hounsfield_units_by_a_quarter(kind):
    drawn = kind.draw(1, np.random.default_rng(3))
    np.testing.assert_allclose(log_field(drawn, modality="CT"), CT_SHARE * log_field(drawn), atol=1e-5)
