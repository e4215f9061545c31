"""Public site keys as people handle them: a line of text to copy, and a fingerprint to compare by telephone.

The same at the sites and at the centre, so that what one shows can be held against the other. Needs no extra.
"""

import base64
import binascii
import hashlib

from shared.federation.errors import BrokenSiteKey

KEY_BYTES = 32


def key_as_text(public: bytes) -> str:
    """An Ed25519 public key in base64: 44 characters."""
    return base64.b64encode(public).decode("ascii")


def key_from_text(text: str) -> bytes:
    """The 32 bytes of a public key that was written as base64 or as 64 hexadecimal digits.

    Raises:
        BrokenSiteKey: it is neither.
    """
    trimmed = text.strip()
    try:
        key = bytes.fromhex(trimmed) if len(trimmed) == 2 * KEY_BYTES else base64.b64decode(trimmed, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise BrokenSiteKey("A site's public key is 32 bytes, written as 44 characters of base64 or 64 hex digits.")
    return key


def fingerprint(public: bytes) -> str:
    """The first half of the key's SHA-256 in eight groups of four digits.

    Example:
        >>> fingerprint(bytes(32))
        '6668-7aad-f862-bd77-6c8f-c18b-8e9f-8e20'
    """
    digits = hashlib.sha256(public).hexdigest()[:32]
    return "-".join(digits[i : i + 4] for i in range(0, 32, 4))
