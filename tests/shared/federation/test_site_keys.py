"""Public site keys as text and as fingerprints."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.federation.errors import BrokenSiteKey
from shared.federation.site_keys import fingerprint, key_as_text, key_from_text


@given(st.binary(min_size=32, max_size=32))
def test_a_key_comes_back_from_both_ways_of_writing_it(public: bytes) -> None:
    assert key_from_text(key_as_text(public)) == public
    assert key_from_text(f" {public.hex()}\n") == public


@given(st.binary(min_size=32, max_size=32))
def test_the_fingerprint_is_the_first_half_of_the_hash(public: bytes) -> None:
    shown = fingerprint(public)
    assert bytes.fromhex(shown.replace("-", "")) == hashlib.sha256(public).digest()[:16]
    assert len(shown) == 39


@pytest.mark.parametrize("text", ["", "short", "é" * 44, "=" * 44, "zz" * 32, "A" * 40, "ab" * 31, "A" * 88])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BrokenSiteKey):
        key_from_text(text)
