"""The server's side of a secure sum: it collects, routes, adds up, and takes the masks off the total alone.

One object is one session. For each step: take the messages as they come, then close the step, which answers what to
send next or says that too few sites are left. Knows nothing of Flower: messages in, messages out. An honest server
that follows these steps learns the total; what a lying one cannot learn is the sites' affair.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from central_server.federation.cohorts import ReleasedCohorts
from shared.secure_sum.encoding import ENTRY_BYTES, FloatVector, decode, from_payload
from shared.secure_sum.errors import (
    MalformedMessage,
    SharesDoNotFit,
    SiteNotPinned,
    TooFewSites,
    UnexpectedMessage,
    WrongStep,
)
from shared.secure_sum.keys import AgreementKey, verify
from shared.secure_sum.masks import add_mask
from shared.secure_sum.messages import (
    AdvertList,
    Consent,
    KeyAdvert,
    MaskedVector,
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
)
from shared.secure_sum.sharing import combine

_ADVERTS, _SHARES, _MASKED, _CONSENTS, _REVEALS, _DONE = range(6)
_NAMES = ("keys", "key shares", "a masked vector", "consent", "shares of the masks")


@dataclass(frozen=True)
class SecureTotal:
    """The total over the contributing sites.

    Args:
        vectors: by part, the sum over `contributors`.
        contributors: the sites whose vectors are in it, sorted.
        missing: the invited sites whose vectors are not.
    """

    vectors: dict[str, FloatVector]
    contributors: tuple[str, ...]
    missing: tuple[str, ...]


class SecureSumServer:
    """One session at the server.

    Args:
        terms: what is summed, of whom.
        site_keys: the public site keys of the invited sites, by which a wrong message is refused at the door.
        released: the cohorts of all sums so far.

    Raises:
        SiteNotPinned: the key of an invited site is missing.

    Each `take_...` raises UnexpectedMessage (another session, no place in this step, or twice), BadSignature or
    MalformedMessage; the message is then left out and the session goes on. Each `close_...` raises TooFewSites, which
    names the missing sites; then there is no total.
    """

    def __init__(self, terms: Terms, site_keys: Mapping[str, bytes], released: ReleasedCohorts) -> None:
        self.terms = terms
        for site in terms.cohort:
            if site not in site_keys:
                raise SiteNotPinned(f"Site '{site}' is invited, but its key is not known here.")
        self._site_keys = {site: site_keys[site] for site in terms.cohort}
        self._released = released
        self._step = _ADVERTS
        self._adverts: dict[str, KeyAdvert] = {}
        self._bundles: dict[str, ShareBundle] = {}
        self._survivors: set[str] = set()
        self._sum = np.zeros(terms.length, dtype=np.uint64)
        self._consents: dict[str, Consent] = {}
        self._reveals: dict[str, Reveal] = {}

    def take_advert(self, advert: KeyAdvert) -> None:
        """Step 1: a site's keys."""
        self._expect(_ADVERTS, advert, self.terms.cohort, self._adverts)
        pieces = advert_pieces(self.terms, advert.site, advert.envelope_key, advert.mask_key, advert.commitment)
        verify(advert.site, self._site_keys[advert.site], advert.signature, "key advert", *pieces)
        self._adverts[advert.site] = advert

    def close_adverts(self) -> AdvertList:
        """Who takes part: for every site that sent its keys."""
        self._close(_ADVERTS, self._adverts, self.terms.cohort)
        return AdvertList(
            session=self.terms.session, adverts=tuple(self._adverts[site] for site in sorted(self._adverts))
        )

    def take_shares(self, bundle: ShareBundle) -> None:
        """Step 2: a site's sealed shares, one for every other participant."""
        self._expect(_SHARES, bundle, self._adverts, self._bundles)
        recipients = sorted(share.recipient for share in bundle.shares)
        wrong_sender = any(share.sender != bundle.site for share in bundle.shares)
        if wrong_sender or recipients != sorted(set(self._adverts) - {bundle.site}):
            raise MalformedMessage(f"The shares of site '{bundle.site}' are not one for every other participant.")
        self._bundles[bundle.site] = bundle

    def close_shares(self) -> dict[str, ShareInbox]:
        """For each site that shared, what the others sealed for it."""
        self._close(_SHARES, self._bundles, self._adverts)
        return {site: self._inbox(site) for site in sorted(self._bundles)}

    def _inbox(self, site: str) -> ShareInbox:
        shares: Iterable[SealedShare] = (share for bundle in self._bundles.values() for share in bundle.shares)
        mine = tuple(share for share in shares if share.recipient == site)
        return ShareInbox(session=self.terms.session, site=site, shares=mine)

    def take_masked(self, masked: MaskedVector) -> None:
        """Step 3: a masked vector; it is added to the sum and not kept."""
        self._expect(_MASKED, masked, self._bundles, self._survivors)
        if len(masked.payload) != self.terms.length * ENTRY_BYTES:
            raise MalformedMessage(f"The masked vector of site '{masked.site}' does not have the agreed length.")
        self._sum += from_payload(masked.payload)
        self._survivors.add(masked.site)

    def close_masked(self) -> SurvivorList:
        """Whose vectors are in the sum: for these sites to sign.

        Raises:
            TooFewSites: fewer than the threshold.
            CohortTooClose: with earlier sums of this quantity, this one would give a site away.
        """
        self._close(_MASKED, self._survivors, self._bundles)
        self._released.check(self.terms.quantity, self._survivors)
        return SurvivorList(session=self.terms.session, survivors=tuple(sorted(self._survivors)))

    def take_consent(self, consent: Consent) -> None:
        """Step 4: a site's signature over the survivors."""
        self._expect(_CONSENTS, consent, self._survivors, self._consents)
        pieces = consent_pieces(self.terms, tuple(self._adverts.values()), tuple(self._bundles), tuple(self._survivors))
        verify(consent.site, self._site_keys[consent.site], consent.signature, "consent", *pieces)
        self._consents[consent.site] = consent

    def close_consents(self) -> UnmaskRequest:
        """What to ask of every site that consented. From here on the sum counts as released."""
        self._close(_CONSENTS, self._consents, self._survivors)
        self._released.record(self.terms.quantity, self._survivors)
        return UnmaskRequest(
            session=self.terms.session, survivors=tuple(sorted(self._survivors)), dropped=self._dropped(),
            consents=tuple(self._consents[site] for site in sorted(self._consents)),
        )  # fmt: skip

    def _dropped(self) -> tuple[str, ...]:
        """Sites whose pair masks are in the survivors' vectors but whose own vector never came."""
        return tuple(sorted(set(self._bundles) - self._survivors))

    def take_reveal(self, reveal: Reveal) -> None:
        """Step 5: a site's shares."""
        self._expect(_REVEALS, reveal, self._consents, self._reveals)
        own = sorted(share.owner for share in reveal.own_mask_shares)
        pair = sorted(share.owner for share in reveal.pair_shares)
        if own != sorted(self._survivors) or pair != list(self._dropped()):
            raise MalformedMessage(f"Site '{reveal.site}' did not reveal the shares that it was asked for.")
        self._reveals[reveal.site] = reveal

    def finish(self) -> SecureTotal:
        """Take the masks off the sum.

        Raises:
            TooFewSites: fewer than the threshold revealed their shares.
            SharesDoNotFit: shares lead to another secret than the site announced.
            ImplausibleTotal: the total lies beyond what honest sites can sum to. Nothing of it is handed out.
        """
        self._close(_REVEALS, self._reveals, self._consents)
        for site in sorted(self._survivors):
            add_mask(self._sum, self._own_mask_seed(site), -1)
        for dropped in self._dropped():
            self._remove_pair_masks(dropped)
        vectors = decode(self.terms.parts, self._sum, len(self._survivors))
        missing = tuple(site for site in self.terms.cohort if site not in self._survivors)
        return SecureTotal(vectors, tuple(sorted(self._survivors)), missing)

    def _own_mask_seed(self, site: str) -> bytes:
        seed = self._recovered(site, {sender: reveal.own_mask_shares for sender, reveal in self._reveals.items()})
        if commitment_to(self.terms, site, seed) != self._adverts[site].commitment:
            raise SharesDoNotFit(f"The revealed shares do not lead to the own mask of site '{site}'.")
        return seed

    def _remove_pair_masks(self, dropped: str) -> None:
        secret = self._recovered(dropped, {sender: reveal.pair_shares for sender, reveal in self._reveals.items()})
        pair = AgreementKey.from_secret(secret)
        if pair.public != self._adverts[dropped].mask_key:
            raise SharesDoNotFit(f"The revealed shares do not lead to the pair key of site '{dropped}'.")
        for site in sorted(self._survivors):
            key = pair.agree(self._adverts[site].mask_key, "pair mask", self.terms.fingerprint)
            add_mask(self._sum, key, -1 if site < dropped else 1)

    def _recovered(self, owner: str, revealed: Mapping[str, Collection[RevealedShare]]) -> bytes:
        """The secret of `owner` from the first `threshold` shares; more would not make it more certain."""
        shares = {
            self.terms.share_index(sender): share.share
            for sender, shares in revealed.items()
            for share in shares
            if share.owner == owner
        }
        return combine({index: shares[index] for index in sorted(shares)[: self.terms.threshold]})

    def _expect(self, step: int, message: KeyAdvert | ShareBundle | MaskedVector | Consent | Reveal,
                senders: Collection[str], already: Collection[str]) -> None:  # fmt: skip
        if step != self._step:
            raise WrongStep(f"Site '{message.site}' sent {_NAMES[step]} out of step.")
        if message.session != self.terms.session or message.site not in senders:
            raise UnexpectedMessage(f"Site '{message.site}' sent {_NAMES[step]} where it has no place in this session.")
        if message.site in already:
            raise UnexpectedMessage(f"Site '{message.site}' sent {_NAMES[step]} twice.")

    def _close(self, step: int, answered: Collection[str], asked: Collection[str]) -> None:
        if step != self._step:
            raise WrongStep(f"The step of {_NAMES[step]} is not the one to close.")
        self._step = _DONE
        if len(answered) < self.terms.threshold:
            raise TooFewSites(_NAMES[step], answered, self.terms.threshold, set(asked) - set(answered))
        self._step = step + 1
