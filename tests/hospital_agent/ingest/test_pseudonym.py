"""Pseudonyms are stable, keyed, and apart by kind; the tie-break drawn from them is uniform."""

import numpy as np
import pytest

from hospital_agent.ingest.pseudonym import Pseudonyms

SECRET = b"0123456789abcdef0123456789abcdef"


def test_the_same_patient_has_the_same_pseudonym_under_one_secret_only() -> None:
    names, other = Pseudonyms(SECRET), Pseudonyms(SECRET[::-1])
    assert names.of("patient", "4711") == Pseudonyms(SECRET).of("patient", "4711")
    assert names.of("patient", "4711") != other.of("patient", "4711")
    assert names.of("patient", "4711") != names.of("series", "4711")
    assert "4711" not in names.of("patient", "4711")


def test_the_tie_break_is_uniform_on_the_open_unit_interval() -> None:
    names = Pseudonyms(SECRET)
    drawn = np.sort([names.fraction("case", str(i)) for i in range(4000)])
    assert 0 < drawn[0] < drawn[-1] < 1
    uniform = (np.arange(4000) + 0.5) / 4000
    assert np.abs(drawn - uniform).max() < 1.95 / np.sqrt(4000)  # Kolmogorov-Smirnov, 0.1 % level


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Pseudonyms(b"short")
