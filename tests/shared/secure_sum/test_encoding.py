"""Fixed point: by hand, at the edges of the ring, and within the stated precision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.secure_sum.encoding import Part, decode, encode, from_payload, to_payload, total_length
from shared.secure_sum.errors import (
    ContributionMismatch,
    ImplausibleTotal,
    NoHeadroom,
    NotFinite,
    OverLimit,
    OverNorm,
)


def part_of(length=2, fraction_bits=4, limit=100.0, norm_limit=150.0, name="values"):
    return Part(name=name, length=length, fraction_bits=fraction_bits, limit=limit, norm_limit=norm_limit)


def test_by_hand():
    """In sixteenths: 1.5 is 24, -0.25 is -4, that is 2^64 - 4; 0.03125 is half a unit and goes to the even 0."""
    assert part_of().encode([1.5, -0.25]).tolist() == [24, 2**64 - 4]
    assert part_of().encode([0.03125, 0.04]).tolist() == [0, 1]
    assert part_of().decode(np.array([24, 2**64 - 4], dtype=np.uint64), 3).tolist() == [1.5, -0.25]


def test_negative_bits_hold_numbers_beyond_the_ring():
    part = part_of(length=1, fraction_bits=-20, limit=1e20, norm_limit=1e20)
    assert part.resolution == 2**20
    assert part.decode(part.encode([3 * 2.0**60]), 1).tolist() == [3 * 2.0**60]


def test_parts_lie_one_after_the_other():
    parts = (part_of(1, 0, name="count"), part_of(2, 4))
    vector = encode(parts, {"values": [1, 2], "count": [7]})
    assert vector.tolist() == [7, 16, 32]
    assert {name: total.tolist() for name, total in decode(parts, vector, 1).items()} == {
        "count": [7],
        "values": [1, 2],
    }
    assert total_length(parts) == 3


def test_headroom_is_half_of_the_ring():
    part_of(fraction_bits=0, limit=2.0**60).check_headroom(4)  # 2^62 of +-2^63
    with pytest.raises(NoHeadroom, match="4 sites"):
        part_of(fraction_bits=0, limit=2.0**60 + 2**8).check_headroom(4)
    with pytest.raises(NoHeadroom):
        part_of(fraction_bits=960, limit=1e300).check_headroom(1)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([np.nan, 0], NotFinite),
        ([0, -np.inf], NotFinite),
        ([101, 0], OverLimit),
        ([1e300, 0], OverLimit),
        ([-99, 0, 0], ContributionMismatch),
        ([[1, 2]], ContributionMismatch),
        ([1j, 0], ContributionMismatch),
        ([None, "x"], ContributionMismatch),
    ],
)
def test_what_may_not_be_masked(values, error):
    with pytest.raises(error):
        part_of().encode(values)


def test_the_norm_is_checked_and_may_be_reached():
    part = part_of(norm_limit=5)
    part.encode([3, 4])
    with pytest.raises(OverNorm):
        part.encode([3, 4.001])


def test_a_total_beyond_the_honest_is_refused():
    part = part_of(length=1, fraction_bits=0, limit=10, norm_limit=10)
    assert part.decode(np.array([30], dtype=np.uint64), 3).tolist() == [30]
    for units in (2**63, 2**63 - 1, 32, 2**64 - 32):
        with pytest.raises(ImplausibleTotal):
            part.decode(np.array([units], dtype=np.uint64), 3)


def test_a_total_beyond_the_honest_norm_is_refused():
    part = part_of(length=4, fraction_bits=20, limit=10, norm_limit=10)
    unit = 2**20
    part.decode(np.array([10 * unit, 0, 0, 0], dtype=np.uint64), 1)
    with pytest.raises(ImplausibleTotal):
        part.decode(np.array([10 * unit, 10 * unit, 0, 0], dtype=np.uint64), 1)


@given(
    st.lists(st.lists(st.floats(-100, 100), min_size=3, max_size=3), min_size=1, max_size=8),
    st.integers(0, 50),
)
def test_the_sum_in_the_ring_is_the_sum(vectors, bits):
    part = part_of(length=3, fraction_bits=bits, norm_limit=200)
    total = np.zeros(3, dtype=np.uint64)
    for vector in vectors:
        total += part.encode(vector)
    wanted = np.sum(vectors, axis=0)
    off = np.abs(part.decode(total, len(vectors)) - wanted)
    assert np.all(off <= len(vectors) / 2 * part.resolution + 1e-12)


def test_the_payload_is_little_endian():
    vector = np.array([1, 2**64 - 1], dtype=np.uint64)
    assert to_payload(vector) == b"\x01" + bytes(7) + b"\xff" * 8
    assert from_payload(to_payload(vector)).tolist() == vector.tolist()
