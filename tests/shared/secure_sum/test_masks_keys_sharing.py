"""The primitives against a second library, hand-written HKDF, and their laws."""

import hashlib
import hmac
from itertools import combinations

import numpy as np
import pytest
from Crypto.Cipher import AES
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.secure_sum.errors import BadSignature, MalformedMessage, TamperedShare
from shared.secure_sum.keys import AgreementKey, framed, sign, verify
from shared.secure_sum.masks import add_mask
from shared.secure_sum.sharing import combine, seal, split, unseal

# RFC 7748, section 6.1: two secrets, their public keys, and what they agree on
ALICE = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
ALICE_PUBLIC = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
BOB = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
BOB_PUBLIC = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
COMMON = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")


def test_the_mask_begins_with_the_published_block():
    """AES-256 of the zero block under the zero key: dc95c078a2408989ad48a21492842087 (NIST)."""
    vector = np.zeros(2, dtype=np.uint64)
    add_mask(vector, bytes(32), 1)
    assert vector.astype("<u8").tobytes().hex() == "dc95c078a2408989ad48a21492842087"


@pytest.mark.parametrize("length", [1, 3, 1 << 17, (1 << 17) + 1, 300_001])
def test_the_mask_is_the_stream_of_another_library(length):
    key = bytes(range(32))
    vector = np.arange(length, dtype=np.uint64)
    add_mask(vector, key, 1)
    stream = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=0).encrypt(bytes(8 * length))
    assert np.array_equal(vector, np.arange(length, dtype=np.uint64) + np.frombuffer(stream, dtype="<u8"))
    add_mask(vector, key, -1)
    assert np.array_equal(vector, np.arange(length, dtype=np.uint64))


def test_two_sites_agree_and_purposes_and_contexts_do_not():
    alice, bob = AgreementKey.fresh(), AgreementKey.fresh()
    common = alice.agree(bob.public, "pair mask", b"terms")
    assert common == bob.agree(alice.public, "pair mask", b"terms")
    others = {
        alice.agree(bob.public, "envelope", b"terms"),
        alice.agree(bob.public, "pair mask", b"other"),
        alice.agree(AgreementKey.fresh().public, "pair mask", b"terms"),
    }
    assert len(others | {common}) == 4
    assert alice.secret.hex() not in repr(alice)


def test_agreement_is_hkdf_over_the_published_exchange():
    """HKDF of RFC 5869 written out, on what RFC 7748 says the two agree on."""
    alice, bob = AgreementKey.from_secret(ALICE), AgreementKey.from_secret(BOB)
    assert (alice.public, bob.public) == (ALICE_PUBLIC, BOB_PUBLIC)
    info = framed("pair mask", *sorted((ALICE_PUBLIC, BOB_PUBLIC)), b"terms")
    extracted = hmac.digest(bytes(32), COMMON, hashlib.sha256)
    assert alice.agree(bob.public, "pair mask", b"terms") == hmac.digest(extracted, info + b"\x01", hashlib.sha256)


@pytest.mark.parametrize("bad", [bytes(32), b"\x01" + bytes(31)])
def test_a_point_of_small_order_is_refused(bad):
    with pytest.raises(MalformedMessage):
        AgreementKey.fresh().agree(bad, "pair mask")


def test_a_signature_holds_for_its_key_label_and_pieces_only():
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    signature = sign(key, "consent", b"ab", b"c")
    verify("s1", public, signature, "consent", b"ab", b"c")
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    for other, label, pieces in (
        (stranger, "consent", (b"ab", b"c")),
        (public, "key advert", (b"ab", b"c")),
        (public, "consent", (b"a", b"bc")),
        (b"short", "consent", (b"ab", b"c")),
    ):
        with pytest.raises(BadSignature, match="'s1'"):
            verify("s1", other, signature, label, *pieces)


def test_any_threshold_of_shares_opens_a_secret_and_fewer_do_not():
    secret = bytes(range(32))
    shares = split(secret, 3, 5)
    assert sorted(shares) == [1, 2, 3, 4, 5]
    assert {len(share) for share in shares.values()} == {32}
    for chosen in combinations(shares, 3):
        assert combine({index: shares[index] for index in chosen}) == secret
    for chosen in combinations(shares, 2):
        assert combine({index: shares[index] for index in chosen}) != secret


@pytest.mark.parametrize("secret", [b"", b"short", bytes(17)])
def test_a_secret_has_whole_blocks(secret):
    with pytest.raises(ValueError, match="16-byte"):
        split(secret, 3, 5)


@pytest.mark.parametrize("change", ["key", "byte", "context", "cut"])
def test_an_envelope_opens_unchanged_only(change):
    key, context = bytes(range(32)), b"s1 to s2"
    sealed = seal(key, b"share", context)
    assert unseal(key, sealed, context, "s1") == b"share"
    assert seal(key, b"share", context) != sealed
    bent = {
        "key": (bytes(32), sealed, context),
        "byte": (key, sealed[:-1] + bytes([sealed[-1] ^ 1]), context),
        "context": (key, sealed, b"s1 to s3"),
        "cut": (key, sealed[:5], context),
    }[change]
    with pytest.raises(TamperedShare, match="'s1'"):
        unseal(*bent, "s1")
