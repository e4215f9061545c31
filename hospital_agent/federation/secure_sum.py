"""A site's side of a secure sum: five steps in order, and a refusal at each where the server is not to be trusted.

One object is one session. After an error it answers nothing more, so that no server learns by trying. Knows nothing of
Flower: messages in, messages out.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import ArrayLike

from hospital_agent.federation.secure_sum_memory import SiteMemory
from shared.secure_sum.cohorts import check_cohort
from shared.secure_sum.encoding import Part, encode, to_payload
from shared.secure_sum.errors import (
    BadSignature,
    BothSharesAsked,
    CohortsDiffer,
    CohortTooSmall,
    KeysRepeated,
    LeftOut,
    SiteNotPinned,
    TamperedShare,
    TermsDiffer,
    UnexpectedMessage,
    WrongStep,
)
from shared.secure_sum.keys import KEY_BYTES, AgreementKey, framed, sign, verify
from shared.secure_sum.masks import add_mask
from shared.secure_sum.messages import (
    AdvertList,
    Consent,
    KeyAdvert,
    MaskedVector,
    Message,
    Reveal,
    RevealedShare,
    SealedShare,
    ShareBundle,
    ShareInbox,
    SurvivorList,
    Terms,
    UnmaskRequest,
    advert_pieces,
    commitment_to,
    consent_pieces,
    envelope_context,
)
from shared.secure_sum.sharing import seal, split, unseal


class SecureSumClient:
    """One site in one session.

    Args:
        site: the site's own name.
        site_key: its Ed25519 key, whose public half the other sites have pinned.
        pinned: the sites that this site knows, with the 32 bytes of their public site keys.
        memory: sessions and cohorts of all sums that this site took part in.

    Each step raises one of `shared.secure_sum.errors`; afterwards the session is over for this site.
    """

    def __init__(self, site: str, site_key: Ed25519PrivateKey, pinned: Mapping[str, bytes], memory: SiteMemory) -> None:
        self.site = site
        self._site_key = site_key
        self._pinned = {**pinned, site: site_key.public_key().public_bytes_raw()}
        self._memory = memory
        self._next_step: int | None = 1

    def advertise(self, terms: Terms, quantity: str, parts: Sequence[Part]) -> KeyAdvert:
        """Accept the terms and draw the secrets of this session.

        Args:
            terms: what the server proposes.
            quantity, parts: what this site itself holds the sum to be. Were the name the server's to choose, it could
                have one quantity summed under two names and slip past the rule on cohorts.

        Raises:
            TermsDiffer, LeftOut, SiteNotPinned, SessionReplayed.
        """
        with self._stepping(1):
            if terms.quantity != quantity or terms.parts != tuple(parts):
                raise TermsDiffer("The server proposes another quantity, or other parts, than this site would sum.")
            self._must_hold(self.site, terms.cohort)
            for site in terms.cohort:
                if site not in self._pinned:
                    raise SiteNotPinned(f"Site '{site}' is invited, but its key is not pinned here.")
            self._memory.open_session(terms.session)
            self._terms = terms
            self._envelope, self._pair = AgreementKey.fresh(), AgreementKey.fresh()
            self._seed = secrets.token_bytes(KEY_BYTES)
            commitment = commitment_to(terms, self.site, self._seed)
            signed = advert_pieces(terms, self.site, self._envelope.public, self._pair.public, commitment)
            self._advert = KeyAdvert(
                session=terms.session, site=self.site, envelope_key=self._envelope.public, mask_key=self._pair.public,
                commitment=commitment, signature=sign(self._site_key, "key advert", *signed),
            )  # fmt: skip
            return self._advert

    def share_keys(self, listed: AdvertList) -> ShareBundle:
        """Check everybody's keys and share both secrets among them.

        Raises:
            UnexpectedMessage, CohortTooSmall, LeftOut, BadSignature, KeysRepeated, MalformedMessage.
        """
        with self._stepping(2):
            self._same_session(listed)
            self._check_adverts(listed)
            self._adverts = {advert.site: advert for advert in listed.adverts}
            pair_shares = split(self._pair.secret, self._terms.threshold, len(self._terms.cohort))
            mask_shares = split(self._seed, self._terms.threshold, len(self._terms.cohort))
            self._held: dict[str, tuple[bytes, bytes]] = {}
            sealed = []
            for site in sorted(self._adverts):
                index = self._terms.share_index(site)
                if site == self.site:
                    self._held[site] = pair_shares[index], mask_shares[index]
                    continue
                key, context = self._envelope_key(site, self.site, site)
                envelope = seal(key, pair_shares[index] + mask_shares[index], context)
                sealed.append(SealedShare(sender=self.site, recipient=site, sealed=envelope))
            return ShareBundle(session=self._terms.session, site=self.site, shares=tuple(sealed))

    def mask(self, inbox: ShareInbox, contribution: Mapping[str, ArrayLike]) -> MaskedVector:
        """Open the others' shares, check the own contribution and hide it.

        Raises:
            UnexpectedMessage, CohortTooSmall, TamperedShare: of the inbox.
            ContributionMismatch, NotFinite, OverLimit, OverNorm: of the contribution; nothing was masked.
        """
        with self._stepping(3):
            self._same_session(inbox)
            self._open(inbox)
            vector = encode(self._terms.parts, contribution)
            add_mask(vector, self._seed, 1)
            for site in self._held:
                if site != self.site:
                    key = self._pair.agree(self._adverts[site].mask_key, "pair mask", self._terms.fingerprint)
                    add_mask(vector, key, 1 if self.site < site else -1)
            return MaskedVector(session=self._terms.session, site=self.site, payload=to_payload(vector))

    def consent(self, listed: SurvivorList) -> Consent:
        """Sign exactly these survivors. A site signs one list a session, so two lists never find enough consents.

        Raises:
            UnexpectedMessage, CohortTooSmall, LeftOut, CohortTooClose.
        """
        with self._stepping(4):
            self._same_session(listed)
            self._survivors = frozenset(listed.survivors)
            if not self._survivors <= set(self._held) or len(self._survivors) != len(listed.survivors):
                raise UnexpectedMessage("The survivors are not among the sites that shared their keys.")
            self._large_enough(self._survivors)
            self._must_hold(self.site, self._survivors)
            check_cohort(self._memory.released(self._terms.quantity), self._survivors)
            signature = sign(self._site_key, "consent", *self._consent_pieces())
            return Consent(session=self._terms.session, site=self.site, signature=signature)

    def reveal(self, request: UnmaskRequest) -> Reveal:
        """Hand in own-mask shares of the survivors and pair shares of the dropped, never both of one site.

        Raises:
            UnexpectedMessage, BothSharesAsked, CohortsDiffer, CohortTooSmall, BadSignature, CohortTooClose.
        """
        with self._stepping(5):
            self._same_session(request)
            self._check_request(request)
            # Another session over the same quantity may have ended since the consent.
            check_cohort(self._memory.released(self._terms.quantity), self._survivors)
            self._memory.record_release(self._terms.quantity, self._survivors)
            dropped = sorted(set(self._held) - self._survivors)
            own = tuple(RevealedShare(owner=site, share=self._held[site][1]) for site in sorted(self._survivors))
            pair = tuple(RevealedShare(owner=site, share=self._held[site][0]) for site in dropped)
            return Reveal(session=self._terms.session, site=self.site, own_mask_shares=own, pair_shares=pair)

    @contextmanager
    def _stepping(self, number: int) -> Iterator[None]:
        """A step runs once, after the one before it; whatever it raises ends the session."""
        expected, self._next_step = self._next_step, None
        if expected != number:
            raise WrongStep(f"Step {number} was asked for out of order; the session has ended.")
        yield
        self._next_step = number + 1

    def _same_session(self, message: Message) -> None:
        if message.session != self._terms.session:
            raise UnexpectedMessage("The message belongs to another session.")

    def _must_hold(self, site: str, sites: Collection[str]) -> None:
        if site not in sites:
            raise LeftOut(f"Site '{site}' is missing from the server's list.")

    def _large_enough(self, sites: Collection[str]) -> None:
        if len(set(sites)) < self._terms.threshold:
            raise CohortTooSmall(f"Only {len(set(sites))} sites take part; {self._terms.threshold} must.")

    def _check_adverts(self, listed: AdvertList) -> None:
        sites = [advert.site for advert in listed.adverts]
        if len(set(sites)) != len(sites) or not set(sites) <= set(self._terms.cohort):
            raise UnexpectedMessage("The list of keys names a site twice, or one that was not invited.")
        self._large_enough(sites)
        if self._advert not in listed.adverts:
            raise LeftOut(f"The keys of site '{self.site}' are missing from the server's list, or changed.")
        for advert in listed.adverts:
            self._same_session(advert)
            pieces = advert_pieces(self._terms, advert.site, advert.envelope_key, advert.mask_key, advert.commitment)
            verify(advert.site, self._pinned[advert.site], advert.signature, "key advert", *pieces)
        keys = [key for advert in listed.adverts for key in (advert.envelope_key, advert.mask_key)]
        if len(set(keys)) != len(keys):
            raise KeysRepeated("The same public key is shown twice.")

    def _open(self, inbox: ShareInbox) -> None:
        for one in inbox.shares:
            if one.recipient != self.site or one.sender in self._held or one.sender not in self._adverts:
                raise UnexpectedMessage("A sealed share is for somebody else, comes twice, or from no participant.")
            key, context = self._envelope_key(one.sender, one.sender, self.site)
            content = unseal(key, one.sealed, context, one.sender)
            if len(content) != 2 * KEY_BYTES:
                raise TamperedShare(f"The shares of site '{one.sender}' do not have the agreed length.")
            self._held[one.sender] = content[:KEY_BYTES], content[KEY_BYTES:]
        self._large_enough(self._held)

    def _envelope_key(self, other: str, sender: str, recipient: str) -> tuple[bytes, bytes]:
        """Key and context of the envelope from sender to recipient, one of whom is this site."""
        pieces = envelope_context(self._terms, sender, recipient)
        return self._envelope.agree(self._adverts[other].envelope_key, "envelope", *pieces), framed("envelope", *pieces)

    def _consent_pieces(self) -> tuple[bytes, ...]:
        return consent_pieces(self._terms, tuple(self._adverts.values()), tuple(self._held), tuple(self._survivors))

    def _check_request(self, request: UnmaskRequest) -> None:
        if set(request.survivors) & set(request.dropped):
            raise BothSharesAsked("Both shares of one site were asked for: together they would open its vector.")
        if set(request.survivors) != self._survivors or set(request.dropped) != set(self._held) - self._survivors:
            raise CohortsDiffer("The server asks to unmask other sites than it showed for consent.")
        consenting = {consent.site for consent in request.consents}
        if len(consenting) != len(request.consents) or not consenting <= self._survivors:
            raise UnexpectedMessage("A consent comes twice, or from a site that is no survivor.")
        self._large_enough(consenting)
        for consent in request.consents:
            self._same_session(consent)
            self._check_consent(consent)

    def _check_consent(self, consent: Consent) -> None:
        try:
            verify(consent.site, self._pinned[consent.site], consent.signature, "consent", *self._consent_pieces())
        except BadSignature:
            raise CohortsDiffer(
                f"Site '{consent.site}' did not consent to the survivors, keys and terms that were shown here."
            ) from None
