"""Ghosts at places known on paper; a patient who moves and is still where the reference says."""

import numpy as np
import pytest
from scipy import ndimage

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.simulation.shifts import STRENGTHS
from hospital_agent.simulation.shifts.ghosting_and_motion import Ghosting, Motion
from hospital_agent.simulation.shifts.signal import Signal

STAY = (0.0, 0.0, 0.0)


def disc(height: int = 60, width: int = 50, middle: tuple[float, float] = (30, 24), radius: float = 9) -> Signal:
    y, x = np.ogrid[:height, :width]
    plane = ((y - middle[0]) ** 2 + (x - middle[1]) ** 2 <= radius**2).astype(np.float32)
    return Signal.of(Volume(np.stack([plane, 0.5 * plane]), (1.0, 1.0, 1.0), modality="MR"))


@pytest.mark.parametrize("period", [2, 3, 4, 5])
def test_ghosts_lie_a_period_th_of_the_field_of_view_away_and_are_half_the_modulation_as_bright(period: int) -> None:
    signal = disc()
    ghosted = Ghosting(0.4, period, 0.0).change(signal)
    step = 60 // period
    copies = np.roll(signal.values, step, axis=1) + np.roll(signal.values, -step, axis=1)
    middle_line = signal.values.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(ghosted, np.abs(signal.values + 0.2 * copies - 0.4 * middle_line), atol=1e-5)


def test_the_phase_decides_whether_ghosts_add_or_subtract() -> None:
    signal = disc(radius=20)  # wider than the distance of the ghosts, which therefore overlap the body
    centre = (0, 30, 24)
    added = Ghosting(0.4, 5, 0.0).change(signal)[centre]
    taken = Ghosting(0.4, 5, np.pi).change(signal)[centre]
    assert added > 1 > taken
    assert added + taken == pytest.approx(2, abs=1e-4)


def test_ghosts_run_along_y_alone() -> None:
    ghosted = Ghosting(1.0, 4, 0.3).change(disc())
    columns = np.flatnonzero(ghosted[0].max(axis=0) > 1e-5)
    assert (columns.min(), columns.max()) == (15, 33)


def test_a_body_that_stays_is_not_changed() -> None:
    signal = disc()
    np.testing.assert_allclose(Motion(0.2, STAY, STAY).change(signal), signal.values, atol=1e-5)
    np.testing.assert_allclose(Motion(1.0, (0.3, 0.2, 40), (0.1, 0, 9)).change(signal), signal.values, atol=1e-5)


def test_outer_lines_come_from_the_moved_body_and_inner_ones_from_the_body_at_its_place() -> None:
    signal = disc()
    # Down by 6 of 60 lines: written out with a matrix of the Fourier transform, which shares no code with the shift.
    moved = np.roll(signal.values, 6, axis=1)
    lines = np.arange(-30, 30)
    there = np.exp(-2j * np.pi * np.outer(lines, np.arange(60)) / 60)
    inner = (np.abs(lines) <= 6)[:, None]
    for plane, before, after in zip(
        signal.values, moved, Motion(0.2, (0.1, 0, 0), (0.1, 0, 0)).change(signal), strict=True
    ):
        spectrum = np.where(inner, there @ plane, there @ before)
        np.testing.assert_allclose(after, np.abs(there.conj().T @ spectrum / 60), atol=1e-4)


def test_a_quarter_turn_moves_what_is_to_the_right_below() -> None:
    signal = disc(61, 61, (30, 45), 6)
    turned = Motion(0.0, (0, 0, 90), (0, 0, 90)).change(signal)[0]
    # The middle line alone is of the body at its place; it holds the mean along Y, and so the place along X.
    vertical = turned - turned.mean(axis=0, keepdims=True)
    y, x = np.unravel_index(int(vertical.argmax()), vertical.shape)
    assert abs(x - 30) <= 6
    assert min(abs(y - 45), abs(y - 15)) <= 6


@pytest.mark.parametrize("strength", STRENGTHS)
def test_the_body_stays_where_the_reference_says(strength: int) -> None:
    signal = disc()
    for seed in range(10):
        moved = Motion.draw(strength, np.random.default_rng(seed)).change(signal)[0]
        centre = ndimage.center_of_mass(moved > 0.5)
        assert np.hypot(centre[0] - 30, centre[1] - 24) < 1 + 0.6 * strength
