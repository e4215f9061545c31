"""One secure sum over an exchange: the five steps, with whoever answers them in time."""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from central_server.federation.answers import BROKEN, Post
from central_server.federation.cohorts import ReleasedCohorts
from central_server.federation.secure_sum import SecureSumServer, SecureTotal
from shared.errors import MonitoringError
from shared.federation.messages import Packet, StepName, SumAnswer, SumStep
from shared.secure_sum.encoding import Part
from shared.secure_sum.messages import (
    Consent,
    KeyAdvert,
    MaskedVector,
    Message,
    Reveal,
    ShareBundle,
    Terms,
    lowest_threshold,
)

M = TypeVar("M", KeyAdvert, ShareBundle, MaskedVector, Consent, Reveal)


class CohortIncomplete(MonitoringError):
    """A sum that must be over the sites of the first round would be over fewer; nothing of it was opened.

    Args:
        missing: the sites that are not in it.
    """

    def __init__(self, missing: Collection[str]) -> None:
        self.missing = tuple(sorted(missing))
        super().__init__(f"The sum would be without {', '.join(self.missing)}.")


class OneSum:
    """One attempt at a sum.

    Args:
        post: asks the sites.
        site_keys: their public keys.
        released: the cohorts of all sums so far.
        number: of the round, from 1.
        quantity, parts: what is summed.
        cohort: the invited sites.
        complete: whether all of them must be in the total.

    `missing` says afterwards why each site that is not in the total is not.
    """

    def __init__(self, post: Post, site_keys: Mapping[str, bytes], released: ReleasedCohorts, *, number: int,
                 quantity: str, parts: Sequence[Part], cohort: Collection[str], complete: bool) -> None:  # fmt: skip
        self._post, self._complete = post, complete
        self.terms = Terms(
            session=secrets.token_bytes(16), round_number=number, quantity=quantity, cohort=tuple(sorted(cohort)),
            threshold=lowest_threshold(len(cohort)), parts=tuple(parts),
        )  # fmt: skip
        self._server = SecureSumServer(self.terms, site_keys, released)
        self.missing: dict[str, str] = {}

    def total(self) -> SecureTotal:
        """Run the five steps.

        Raises:
            CohortIncomplete: a site is missing from a sum that must be complete. Nothing was opened.
            SecureSumError: TooFewSites, CohortTooClose, ImplausibleTotal and the like; there is no total.
        """
        server = self._server
        sites = self._take("terms", dict.fromkeys(self.terms.cohort, self.terms), KeyAdvert, server.take_advert)
        sites = self._take("adverts", dict.fromkeys(sites, server.close_adverts()), ShareBundle, server.take_shares)
        inboxes = server.close_shares()
        sites = self._take("inbox", inboxes, MaskedVector, server.take_masked)
        absent = set(self.terms.cohort) - set(sites)
        if self._complete and absent:
            raise CohortIncomplete(absent)
        sites = self._take("survivors", dict.fromkeys(sites, server.close_masked()), Consent, server.take_consent)
        self._take("unmask", dict.fromkeys(sites, server.close_consents()), Reveal, server.take_reveal)
        return server.finish()

    def _take(
        self, step: StepName, messages: Mapping[str, Message], kind: type[M], take: Callable[[M], None]
    ) -> list[str]:
        """Send one step to its sites and hand what comes back to the server; the sites whose answers it took."""
        written: dict[int, Packet] = {}  # most steps send the same to all
        for message in messages.values():
            if id(message) not in written:
                written[id(message)] = SumStep(run=self._post.run, step=step, raw=message.to_bytes()).packet()
        answers = self._post.ask({site: written[id(message)] for site, message in messages.items()}, SumAnswer)
        self.missing |= answers.missing
        taken = []
        for site, answer in answers.good.items():
            if answer.step == step and self._taken(site, answer.raw, kind, take):
                taken.append(site)
            else:
                self.missing[site] = BROKEN
        return taken

    @staticmethod
    def _taken(site: str, raw: bytes, kind: type[M], take: Callable[[M], None]) -> bool:
        try:
            message = kind.from_bytes(raw)
            if message.site == site:
                take(message)
                return True
        except MonitoringError:
            pass
        return False
