"""Keys: who somebody is (Ed25519 site keys, pinned) and what two sites alone know (X25519 and HKDF)."""

import hashlib
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.secure_sum.errors import BadSignature, MalformedMessage

KEY_BYTES = 32
SIGNATURE_BYTES = 64
_PROTOCOL = b"segwatch-secure-sum-1"


def framed(label: str, *pieces: bytes) -> bytes:
    """Pieces with their lengths before them, so that no two lists of pieces give the same bytes.

    Example:
        >>> framed("advert", b"ab", b"c") == framed("advert", b"a", b"bc")
        False
    """
    everything = (_PROTOCOL, label.encode(), *pieces)
    return b"".join(len(piece).to_bytes(8, "big") + piece for piece in everything)


def digest(label: str, *pieces: bytes) -> bytes:
    """SHA-256 of the framed pieces."""
    return hashlib.sha256(framed(label, *pieces)).digest()


def sign(site_key: Ed25519PrivateKey, label: str, *pieces: bytes) -> bytes:
    """Signature over the framed pieces; the label keeps signatures of different steps apart."""
    return site_key.sign(framed(label, *pieces))


def verify(site: str, public: bytes, signature: bytes, label: str, *pieces: bytes) -> None:
    """See that the site with this public key signed exactly these pieces.

    Raises:
        BadSignature: it did not.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, framed(label, *pieces))
    except (InvalidSignature, ValueError):
        raise BadSignature(f"The {label} of site '{site}' is not signed by its pinned key.") from None


@dataclass(frozen=True)
class AgreementKey:
    """A fresh X25519 key pair of one session."""

    secret: bytes = field(repr=False)
    public: bytes

    @classmethod
    def fresh(cls) -> Self:
        """A new pair from the operating system's random source."""
        return cls.from_secret(X25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_secret(cls, secret: bytes) -> Self:
        """The pair that belongs to 32 secret bytes."""
        return cls(secret, X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw())

    def agree(self, other_public: bytes, purpose: str, *context: bytes) -> bytes:
        """32 bytes that only the two owners can compute; others for every purpose and context.

        Both public keys are bound in, in an order that both sides share.

        Raises:
            MalformedMessage: the other key is none that X25519 can agree with.
        """
        try:
            common = X25519PrivateKey.from_private_bytes(self.secret).exchange(
                X25519PublicKey.from_public_bytes(other_public)
            )
        except ValueError:
            raise MalformedMessage("A public key is none that two sites can agree on.") from None
        info = framed(purpose, *sorted((self.public, other_public)), *context)
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(common)
