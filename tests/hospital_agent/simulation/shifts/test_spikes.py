"""Spikes are found again in k-space, where they were put; slices that were not hit are untouched."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.simulation.shifts import STRENGTHS
from hospital_agent.simulation.shifts.signal import Signal
from hospital_agent.simulation.shifts.spikes import HIT_SHARE, ScatteredSpikes, SteadySpike


def ones(depth: int = 20, value: float = 300.0) -> Signal:
    return Signal.of(Volume(np.full((depth, 48, 40), value, np.float32), (1.0, 1.0, 1.0), modality="MR"))


def test_a_faint_spike_is_a_wave_of_its_height_with_its_mirror_in_k_space() -> None:
    changed = SteadySpike(0.01, ((5, 7, 0.4),)).change(ones())
    for plane in changed:
        spectrum = np.abs(np.fft.fft2(plane)) / plane.size
        assert spectrum[5, 7] == pytest.approx(0.005, rel=0.01)  # |1 + a e^iw| is about 1 + a cos w
        assert spectrum[-5, -7] == pytest.approx(0.005, rel=0.01)
        spectrum[5, 7] = spectrum[-5, -7] = spectrum[0, 0] = 0
        assert spectrum.max() < 1e-4


def test_in_air_a_single_spike_is_an_even_haze() -> None:
    air = Signal.of(Volume(np.pad(np.ones((1, 1, 1), np.float32), ((1, 1),) * 3), (1.0, 1.0, 1.0), modality="MR"))
    changed = SteadySpike(0.2, ((1, 1, 0.0),)).change(air)
    np.testing.assert_allclose(changed[0], 0.2, rtol=1e-5)


def test_several_spikes_are_together_as_bright_as_one() -> None:
    for stripes in (((5, 7, 0.0),), ((5, 7, 0.0), (3, -9, 1.0)), ((5, 7, 0.0), (3, -9, 1.0), (0, 4, 2.0))):
        changed = SteadySpike(0.02, stripes).change(ones())
        assert (changed - 1).std() == pytest.approx(0.02 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_scattered_spikes_hit_their_share_of_slices_each_with_stripes_of_its_own(strength: int) -> None:
    signal = ones()
    drawn = ScatteredSpikes.draw(strength, np.random.default_rng(strength))
    changed = drawn.change(signal)
    hit = [number for number in range(20) if not np.array_equal(changed[number], signal.values[number])]
    assert len(hit) == round(20 * drawn.hit_share)
    assert HIT_SHARE[strength - 1][0] <= drawn.hit_share <= HIT_SHARE[strength - 1][1]
    assert len({changed[number].tobytes() for number in hit}) == len(hit)
