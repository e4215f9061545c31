"""What can go wrong in a secure sum.

    MonitoringError
    └── SecureSumError
        ├── MalformedMessage        bytes that are not the expected message
        ├── CohortTooSmall          fewer than 3 sites, or fewer than the threshold, would take part
        ├── ThresholdTooLow         the threshold would let a lying server unmask a site
        ├── NoHeadroom              a value, or the sum of all sites, could overflow the fixed point
        ├── ContributionRefused     the site's own vector may not be masked
        │   ├── ContributionMismatch    not the parts that were asked for
        │   ├── NotFinite               holds NaN or infinity
        │   ├── OverLimit               an entry beyond the part's limit
        │   └── OverNorm                a norm beyond the part's norm limit
        ├── WrongStep               a step out of order, twice, or after a refusal
        ├── UnexpectedMessage       a message of another session, or of a site that has no place in this step
        ├── ServerNotTrusted        what the server showed does not hold; the site ends the session
        │   ├── TermsDiffer             another quantity, or other parts, than the site itself would sum
        │   ├── SessionReplayed         this session was opened before
        │   ├── SiteNotPinned           a site takes part whose key is not pinned here
        │   ├── BadSignature            a signature does not fit the pinned key and these contents
        │   ├── KeysRepeated            two sites show the same key
        │   ├── TamperedShare           an encrypted share cannot be opened
        │   ├── LeftOut                 this site is missing from a list although it delivered
        │   ├── CohortsDiffer           the sites were not all shown the same survivors
        │   └── BothSharesAsked         own-mask and pair shares of one site were asked for
        ├── CohortTooClose          with the sums released before, this one would give one or two sites away
        ├── TooFewSites             at the server: too few answered; names the missing
        ├── SharesDoNotFit          at the server: revealed shares do not lead to the announced secret
        └── ImplausibleTotal        at the server: the total lies beyond what honest sites can sum to; discard, re-run

Messages name sites and parts, never a number of a contribution.
"""

from collections.abc import Iterable

from shared.errors import MonitoringError


class SecureSumError(MonitoringError):
    """Base of all errors of a secure sum."""


class MalformedMessage(SecureSumError):
    """Bytes that are not the expected message; echoes nothing of them."""


class CohortTooSmall(SecureSumError):
    """Fewer than 3 sites, or fewer than the threshold, would take part."""


class ThresholdTooLow(SecureSumError):
    """The threshold is not above two thirds of the cohort, or is larger than the cohort."""


class NoHeadroom(SecureSumError):
    """The scale leaves no room for the sum of all sites."""


class ContributionRefused(SecureSumError):
    """The site's own vector may not be masked. Holds no number."""


class ContributionMismatch(ContributionRefused):
    """The contribution has other parts, or parts of another length, than the terms ask for."""


class NotFinite(ContributionRefused):
    """A part holds NaN or infinity."""


class OverLimit(ContributionRefused):
    """An entry of a part is larger than the part's limit."""


class OverNorm(ContributionRefused):
    """The Euclidean norm of a part is larger than its norm limit."""


class WrongStep(SecureSumError):
    """A step was asked for out of order, a second time, or after a refusal."""


class UnexpectedMessage(SecureSumError):
    """A message belongs to another session, or its sender has no place in this step."""


class ServerNotTrusted(SecureSumError):
    """What the server showed does not hold; the site ends the session."""


class TermsDiffer(ServerNotTrusted):
    """The server proposes another quantity, or other parts, than the site itself would sum."""


class SessionReplayed(ServerNotTrusted):
    """A session with this id was opened before."""


class SiteNotPinned(ServerNotTrusted):
    """A site is to take part whose key is not pinned here."""


class BadSignature(ServerNotTrusted):
    """A signature does not fit the pinned site key and what it is said to sign."""


class KeysRepeated(ServerNotTrusted):
    """The same agreement key is shown twice."""


class TamperedShare(ServerNotTrusted):
    """An encrypted share cannot be opened: it was changed, or meant for somebody else."""


class LeftOut(ServerNotTrusted):
    """The site is missing from a list although it delivered what the list is made of."""


class CohortsDiffer(ServerNotTrusted):
    """The sites were not all shown the same survivors, keys and terms."""


class BothSharesAsked(ServerNotTrusted):
    """Own-mask and pair shares of one site were asked for: together they would open its vector."""


class CohortTooClose(SecureSumError):
    """With the sums that were released before, this one would give the numbers of one or two sites away."""


class TooFewSites(SecureSumError):
    """Too few sites answered a step; no total exists.

    Args:
        step: what they were asked for, in words.
        present: the sites that answered.
        needed: how many must.
        missing: the sites that did not.
    """

    def __init__(self, step: str, present: Iterable[str], needed: int, missing: Iterable[str]) -> None:
        self.step, self.needed = step, needed
        self.present, self.missing = tuple(sorted(present)), tuple(sorted(missing))
        who = ", ".join(self.missing) or "nobody"
        super().__init__(f"Only {len(self.present)} of {needed} needed sites sent {step}; missing: {who}.")


class SharesDoNotFit(SecureSumError):
    """The revealed shares of a site do not lead to the secret that it announced; who lied is not known."""


class ImplausibleTotal(SecureSumError):
    """A total lies beyond what honest sites can sum to. It is discarded and the sum run again; nobody is blamed."""
