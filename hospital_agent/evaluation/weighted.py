"""Normalised AURC, Spearman and failure sensitivity of thousands of resamples at once.

A resample holds a whole number of copies of each patient, with all of his cases. Every statistic here equals the plain
one of `analysis.metrics` on the copied-out cases; copies of a case tie with themselves. Arrays run cases by draws.
Undefined draws are NaN, inside these two files only.

How often each patient is among the k least suspicious cases does not depend on the draw: that times the copies of the
patients, one matrix product, counts the cases up to each threshold in all draws.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.metrics.correlation import FEWEST_PAIRS
from hospital_agent.analysis.metrics.detection import SPECIFICITY

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
MEASURES = ("normalised_aurc", "spearman", "failure_sensitivity")


@dataclass(frozen=True, eq=False)
class Groups:
    """Cases in ascending order of a value, those with equal values together.

    Args:
        order: (N,) cases by value.
        ends: (G,) where each group ends in that order.
        of_case: (N,) the group of each case.
    """

    order: NDArray[np.intp]
    ends: NDArray[np.intp]
    of_case: NDArray[np.intp]

    @classmethod
    def of(cls, values: Floats) -> "Groups":
        """Of (N,) values."""
        _, of_case, sizes = np.unique(values, return_inverse=True, return_counts=True)
        return cls(np.argsort(of_case, kind="stable"), np.cumsum(sizes) - 1, of_case)

    def upto(self, counted: Floats) -> Floats:
        """(G, P) sums of (N, P) over all groups up to and with each."""
        sums: Floats = np.cumsum(counted[self.order], axis=0)[self.ends]
        return sums


@dataclass(frozen=True, eq=False)
class Resamples:
    """Which patients are in each draw, and the truths of their cases.

    Args:
        copies: (P, D) whole numbers >= 0, how often each patient is in each draw.
        owner: (N,) the patient of each case.
        risk: (N,) 1 - Dice.
        failed: (N,) whether the case is a failure.
    """

    copies: Floats
    owner: NDArray[np.intp]
    risk: Floats
    failed: Flags

    def part(self, which: Flags) -> "Resamples":
        """Some of the cases."""
        return Resamples(self.copies, self.owner[which], self.risk[which], self.failed[which])

    @cached_property
    def belongs(self) -> Floats:
        """(N, P) 1 where a case is of a patient."""
        return np.equal.outer(self.owner, np.arange(len(self.copies))).astype(np.float64)

    @cached_property
    def size(self) -> Floats:
        """(D,) cases in each draw, copies counted."""
        total: Floats = np.bincount(self.owner, minlength=len(self.copies)) @ self.copies
        return total

    @cached_property
    def harmonic(self) -> Floats:
        """H(0), H(1), ... up to the largest draw."""
        return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(self.size.max(initial=0)) + 1))])

    @cached_property
    def by_risk(self) -> "Counts":
        """Counted in the order of the risk itself, the best there is."""
        return Counts.of(Groups.of(self.risk), self)

    @cached_property
    def risk_ranks(self) -> Floats:
        """(N, D) mid-rank of each case's risk, times its copies."""
        ranks: Floats = self.by_risk.ranks[self.by_risk.groups.of_case] * self.copies[self.owner]
        return ranks

    @cached_property
    def oracle(self) -> Floats:
        """(D,) AURC of the best order."""
        return self.by_risk.area(self)

    def statistics(self, scores: Floats) -> dict[str, Floats]:
        """(D,) of each of `MEASURES` for (N,) scores, higher is worse; NaN where a draw leaves it undefined."""
        counts = Counts.of(Groups.of(scores), self)
        return {
            "normalised_aurc": self._normalised_aurc(counts),
            "spearman": self._spearman(counts),
            "failure_sensitivity": _failure_sensitivity(counts),
        }

    def _normalised_aurc(self, counts: "Counts") -> Floats:
        random = _divide(counts.risk[-1], self.size)
        return _divide(random - counts.area(self), random - self.oracle)

    def _spearman(self, counts: "Counts") -> Floats:
        together = np.einsum("nd,nd->d", counts.ranks[counts.groups.of_case], self.risk_ranks)
        covariance = together - self.size * ((self.size + 1) / 2) ** 2
        found = _divide(covariance, np.sqrt(counts.rank_spread * self.by_risk.rank_spread))
        return np.where(self.size >= FEWEST_PAIRS, found, np.nan)


@dataclass(frozen=True, eq=False)
class Counts:
    """What lies up to each threshold in each draw, (G, D) each.

    Args:
        groups: the thresholds.
        total: cases, copies counted.
        risk: their risks' sum.
        failed: failures.
    """

    groups: Groups
    total: Floats
    risk: Floats
    failed: Floats

    @classmethod
    def of(cls, groups: Groups, draws: Resamples) -> "Counts":
        """Count in the order of the groups."""
        kinds = (np.ones_like(draws.risk), draws.risk, draws.failed.astype(np.float64))
        per_patient = np.concatenate([groups.upto(draws.belongs * kind[:, None]) for kind in kinds])
        total, risk, failed = np.split(per_patient @ draws.copies, 3)
        return cls(groups, total, risk, failed)

    @cached_property
    def within(self) -> Floats:
        """(G, D) cases of each group alone."""
        return np.diff(self.total, axis=0, prepend=0)

    @cached_property
    def ranks(self) -> Floats:
        """(G, D) mid-rank, from 1, of the cases of each group."""
        ranks: Floats = self.total - (self.within - 1) / 2
        return ranks

    @cached_property
    def rank_spread(self) -> Floats:
        """(D,) sum of squares of all ranks about their mean: (n^3 - n - sum of m^3 - m) / 12."""
        size = self.total[-1]
        ties = np.einsum("gd,gd->d", self.within**2, self.within)
        spread: Floats = (size**3 - ties) / 12
        return spread

    def area(self, draws: Resamples) -> Floats:
        """Mean over k = 1..n of the mean risk of the k least suspicious cases, tied cases in the mean of all orders.

        In a group of m cases of mean risk r behind c cases whose risks sum to S, the sum over j of (S + j r) / (c + j)
        is m r + (S - c r) (H(c + m) - H(c)).
        """
        own_risk = np.diff(self.risk, axis=0, prepend=0)
        mean = own_risk / np.maximum(self.within, 1)
        harmonic = np.diff(draws.harmonic[np.rint(self.total).astype(np.intp)], axis=0, prepend=0)
        behind = (self.risk - own_risk) - (self.total - self.within) * mean
        return _divide(self.risk[-1] + np.einsum("gd,gd->d", behind, harmonic), self.total[-1])


def _failure_sensitivity(counts: Counts) -> Floats:
    # What scores above a group is flagged: each group is one threshold, and the last flags nothing.
    passed = counts.total - counts.failed
    bad, good = counts.failed[-1], passed[-1]
    allowed = passed >= SPECIFICITY * good - 1e-9
    found = np.max((bad - counts.failed) * allowed, axis=0)
    return np.where(good > 0, _divide(found, bad), np.nan)


def _divide(above: Floats, below: Floats) -> Floats:
    """Quotient; NaN where the divisor is 0 up to rounding."""
    usable = below > 1e-9
    quotient: Floats = np.where(usable, above / np.where(usable, below, 1.0), np.nan)
    return quotient
