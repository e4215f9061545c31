"""What sites and server exchange in one secure sum: frozen, small, and bytes on the wire.

Every message names its session. All are JSON but the masked vector, whose numbers follow its header as they are: one
line of JSON, a line feed, 8 bytes an entry. A message that exists is well-formed; whether it is true is for the
receiver to check.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.report import SiteName
from shared.secure_sum.cohorts import SMALLEST_COHORT
from shared.secure_sum.encoding import Part, total_length
from shared.secure_sum.errors import CohortTooSmall, MalformedMessage, ThresholdTooLow
from shared.secure_sum.keys import KEY_BYTES, SIGNATURE_BYTES, digest

Session = Annotated[bytes, Field(min_length=16, max_length=16)]
Key = Annotated[bytes, Field(min_length=KEY_BYTES, max_length=KEY_BYTES)]
Signature = Annotated[bytes, Field(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
Sealed = Annotated[bytes, Field(min_length=1, max_length=256)]
QuantityName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_./-]{0,127}$")]


class Message(BaseModel):
    """Base of the messages. `session` is 16 random bytes that the server drew for this sum."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        hide_input_in_errors=True,
    )

    version: Literal[1] = 1
    session: Session

    def to_bytes(self) -> bytes:
        """The bytes that travel."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """The message in these bytes.

        Raises:
            MalformedMessage: they are not one of this kind; echoes nothing of them.
            CohortTooSmall, ThresholdTooLow, NoHeadroom: they are terms that no site may accept.
        """
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            kinds = ", ".join(sorted({one["type"] for one in error.errors()}))
            raise MalformedMessage(f"These bytes are no {cls.__name__} ({kinds}).") from None


class Terms(Message):
    """What is summed, of whom, and how: step 0, from the server to all.

    Args:
        round_number: the federated round, for people and logs.
        quantity: what the sum is of, time span included; cohorts are compared within one quantity.
        cohort: the invited sites, sorted.
        threshold: so many sites must stay to the end; above two thirds of the cohort and at least 3. Then no server
            can gather consents for two different lists of survivors, not even with one third of the sites on its side.
        parts: the pieces of the vector and their scales.

    Raises:
        CohortTooSmall: fewer than 3 sites are invited.
        ThresholdTooLow: the threshold is not above two thirds of the cohort, or larger than it.
        NoHeadroom: the sum of all sites could overflow.
    """

    round_number: int = Field(ge=0)
    quantity: QuantityName
    cohort: tuple[SiteName, ...]
    threshold: int
    parts: tuple[Part, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _acceptable(self) -> Self:
        if list(self.cohort) != sorted(set(self.cohort)):
            raise ValueError("The cohort is not sorted, or names a site twice.")
        if len({part.name for part in self.parts}) != len(self.parts):
            raise ValueError("Two parts have the same name.")
        if len(self.cohort) < SMALLEST_COHORT:
            raise CohortTooSmall(f"A secure sum needs at least {SMALLEST_COHORT} invited sites.")
        if not lowest_threshold(len(self.cohort)) <= self.threshold <= len(self.cohort):
            raise ThresholdTooLow("The threshold must be above two thirds of the cohort, and not larger than it.")
        for part in self.parts:
            part.check_headroom(len(self.cohort))
        return self

    @property
    def fingerprint(self) -> bytes:
        """32 bytes that stand for exactly these terms; all signatures and keys of the session are bound to them."""
        return digest("terms", json.dumps(self.model_dump(mode="json"), sort_keys=True).encode())

    @property
    def length(self) -> int:
        """Entries of the summed vector."""
        return total_length(self.parts)

    def share_index(self, site: str) -> int:
        """Which of Shamir's shares a site holds: its place in the cohort, from 1."""
        return self.cohort.index(site) + 1


def lowest_threshold(sites: int) -> int:
    """The lowest threshold allowed for so many invited sites: above two thirds, at least 3.

    Example:
        >>> [lowest_threshold(sites) for sites in (3, 4, 5, 8, 30)]
        [3, 3, 4, 6, 21]
    """
    return max(SMALLEST_COHORT, 2 * sites // 3 + 1)


class KeyAdvert(Message):
    """Step 1, site to server to all: the site's fresh keys, signed with its site key.

    Args:
        envelope_key: X25519 public key for the encryption of shares.
        mask_key: X25519 public key for the pair masks.
        commitment: hash of the own-mask seed, by which the server notices wrong shares of it.
        signature: over the terms' fingerprint, the site and the three values above.
    """

    site: SiteName
    envelope_key: Key
    mask_key: Key
    commitment: Key
    signature: Signature


class AdvertList(Message):
    """Who takes part: the adverts that arrived, from the server to all of them."""

    adverts: tuple[KeyAdvert, ...]


class SealedShare(BaseModel):
    """Shares of one site's two secrets, encrypted for one other site."""

    model_config = Message.model_config

    sender: SiteName
    recipient: SiteName
    sealed: Sealed


class ShareBundle(Message):
    """Step 2, site to server: one sealed share for every other site."""

    site: SiteName
    shares: tuple[SealedShare, ...]


class ShareInbox(Message):
    """What the server passes on to one site: the shares that the others sealed for it."""

    site: SiteName
    shares: tuple[SealedShare, ...]


class MaskedVector(Message):
    """Step 3, site to server: the encoded vector plus all masks, 8 little-endian bytes an entry."""

    site: SiteName
    payload: bytes = Field(repr=False)

    def to_bytes(self) -> bytes:
        """A line of JSON, then the numbers as they are: base64 would cost a third more."""
        return self.model_dump_json(exclude={"payload"}).encode() + b"\n" + self.payload

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """The message in these bytes.

        Raises:
            MalformedMessage: they are no masked vector.
        """
        header, _, payload = bytes(raw).partition(b"\n")
        named = MaskedHeader.from_bytes(header)
        return cls(session=named.session, site=named.site, payload=payload)


class MaskedHeader(Message):
    """The first line of a masked vector."""

    site: SiteName


class SurvivorList(Message):
    """Whose masked vectors arrived, sorted; from the server to these sites."""

    survivors: tuple[SiteName, ...]


class Consent(Message):
    """Step 4, site to server to all: a signature over these survivors, all keys, who shared them, and the terms."""

    site: SiteName
    signature: Signature


class UnmaskRequest(Message):
    """What the server asks of every site that consented, with the consents that allow it.

    Args:
        survivors: own-mask shares of these are asked for.
        dropped: pair-secret shares of these are asked for.
    """

    survivors: tuple[SiteName, ...]
    dropped: tuple[SiteName, ...]
    consents: tuple[Consent, ...]


class RevealedShare(BaseModel):
    """One site's share of a secret of `owner`."""

    model_config = Message.model_config

    owner: SiteName
    share: Key = Field(repr=False)


class Reveal(Message):
    """Step 5, site to server: its shares of the survivors' own masks and of the dropped sites' pair secrets."""

    site: SiteName
    own_mask_shares: tuple[RevealedShare, ...]
    pair_shares: tuple[RevealedShare, ...]


def advert_pieces(
    terms: Terms, site: str, envelope_key: bytes, mask_key: bytes, commitment: bytes
) -> tuple[bytes, ...]:
    """What the signature of a key advert covers."""
    return terms.fingerprint, site.encode(), envelope_key, mask_key, commitment


def consent_pieces(
    terms: Terms, adverts: Sequence[KeyAdvert], sharers: Sequence[str], survivors: Sequence[str]
) -> tuple[bytes, ...]:
    """What the signature of a consent covers; the same for every site that was shown the same."""
    shown = [
        digest("shown advert", one.site.encode(), one.envelope_key, one.mask_key, one.commitment)
        for one in sorted(adverts, key=lambda one: one.site)
    ]
    lists = (digest("sites", *(site.encode() for site in sorted(sites))) for sites in (sharers, survivors))
    return terms.fingerprint, digest("adverts", *shown), *lists


def commitment_to(terms: Terms, site: str, seed: bytes) -> bytes:
    """The hash of an own-mask seed. The seed holds 256 random bits, so the hash tells nothing of it."""
    return digest("own mask", terms.fingerprint, site.encode(), seed)


def pair_context(terms: Terms) -> bytes:
    """What both sides of a pair mask bind it to."""
    return terms.fingerprint


def envelope_context(terms: Terms, sender: str, recipient: str) -> tuple[bytes, bytes, bytes]:
    """What an encrypted share is bound to."""
    return terms.fingerprint, sender.encode(), recipient.encode()
