"""Shares: a secret cut so that any `threshold` sites can put it together and fewer learn nothing; and their envelopes.

Shamir's scheme over GF(2^128) from pycryptodome takes secrets of 16 bytes; a longer one is shared block by block. The
envelopes are AES-256-GCM, bound to sender, recipient and session.
"""

import secrets
from collections.abc import Mapping

from Crypto.Protocol.SecretSharing import Shamir
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.secure_sum.errors import TamperedShare

_BLOCK = 16
_NONCE = 12


def split(secret: bytes, threshold: int, count: int) -> dict[int, bytes]:
    """Shares 1 to `count` of a secret of whole 16-byte blocks, each as long as the secret."""
    if not secret or len(secret) % _BLOCK:
        raise ValueError("A shared secret consists of whole 16-byte blocks.")
    blocks = [secret[start : start + _BLOCK] for start in range(0, len(secret), _BLOCK)]
    split_blocks = [dict(Shamir.split(threshold, count, block, ssss=False)) for block in blocks]
    return {index: b"".join(block[index] for block in split_blocks) for index in range(1, count + 1)}


def combine(shares: Mapping[int, bytes]) -> bytes:
    """The secret from at least `threshold` of its shares; from fewer, or wrong ones, some other bytes."""
    length = len(next(iter(shares.values())))
    parts = [
        Shamir.combine([(index, share[start : start + _BLOCK]) for index, share in shares.items()], ssss=False)
        for start in range(0, length, _BLOCK)
    ]
    return b"".join(parts)


def seal(key: bytes, content: bytes, context: bytes) -> bytes:
    """Nonce and ciphertext, authentic together with the context."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content, context)


def unseal(key: bytes, sealed: bytes, context: bytes, sender: str) -> bytes:
    """The content of an envelope.

    Raises:
        TamperedShare: it was changed, cut, or sealed for another context.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
    except (InvalidTag, ValueError):
        raise TamperedShare(f"The shares that site '{sender}' is said to have sent cannot be opened.") from None
