"""Keyed pseudonyms: the same patient or series always gets the same name, and only who holds the secret can tell whose.

The names stay at the site all the same: nothing made here is ever sent.
"""

import hashlib
import hmac

PSEUDONYM_HEX = 32


class Pseudonyms:
    """Names from a secret of the site.

    Args:
        secret: at least 16 bytes; losing it makes old and new pseudonyms unrelated.

    Raises:
        ValueError: the secret is too short.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("The site secret needs at least 16 bytes.")
        self._secret = secret

    def of(self, kind: str, identifier: str) -> str:
        """The pseudonym of one identifier; `kind` keeps patients, series and contents apart."""
        return self._digest(kind, identifier).hexdigest()[:PSEUDONYM_HEX]

    def fraction(self, kind: str, identifier: str) -> float:
        """A number in (0, 1), uniform over identifiers and fixed for each: the tie-break of the change detectors."""
        drawn = int.from_bytes(self._digest(kind, identifier).digest()[:8], "big") >> 11
        return (drawn + 0.5) / 2**53

    def check_value(self) -> str:
        """What to store in order to notice later that the secret was exchanged; says nothing about the secret."""
        return self.of("check", "segwatch")

    def _digest(self, kind: str, identifier: str) -> "hmac.HMAC":
        return hmac.new(self._secret, f"{kind}\0{identifier}".encode(), hashlib.sha256)
