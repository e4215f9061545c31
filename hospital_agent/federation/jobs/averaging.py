"""Training one network over several sites: every round each site trains on from the common weights, and the changes
are averaged.

The weights that come out are made of patients' images and are not private by themselves; `noise` bounds what can be
told of one site's part in them.
"""

import math
import secrets
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hospital_agent.federation.jobs import Bounds, Float64Array, Totals, federated_jobs
from hospital_agent.federation.jobs.cohort import (
    FEWEST_PATIENTS,
    HEADING,
    MOST_ROWS,
    Cohort,
    check_same_cohort,
    opening,
    shares,
)
from hospital_agent.federation.jobs.errors import NotFinite, WrongShape

STEP = 2.0**-32
LARGEST_NOISE = 8.0  # standard deviations; beyond lies less than 1 in 10^14


class LocalTraining(Protocol):
    """A site's own data and how it trains on them. Knows the network; the job does not."""

    @property
    def cases(self) -> int:
        """Training cases; a site weighs as much as it has."""

    @property
    def patients(self) -> int:
        """Distinct patients among the training cases."""

    @property
    def judged_cases(self) -> int:
        """Cases that are held out to judge weights on."""

    def trained(self, weights: Float64Array, number: int) -> Float64Array:
        """(P,) the weights after this site's training of round `number` (from 1), begun at `weights`."""

    def dice_sum(self, weights: Float64Array) -> float:
        """Sum of the Dice of the held-out cases under these weights; None-valued cases count as 0."""


@dataclass(frozen=True)
class Noise:
    """Gaussian noise that every site adds to its own change, so that the sum tells little of any one site.

    Args:
        multiplier: z, the noise's standard deviation in units of the largest change that a site may contribute.
        delta: the probability with which the stated epsilon may fail.

    Source:
        Bun and Steinke 2016: a Gaussian mechanism of multiplier z is 1/(2 z^2)-zCDP, which adds up over rounds, and
        rho-zCDP is (rho + 2 sqrt(rho ln(1/delta)), delta)-differentially private (Proposition 1.3 and Lemma 2.3).
        Neighbours here are federations with and without what one site contributes (its change set to 0). The site's
        own noise suffices for its own guarantee; nobody else needs to be honest. Counts and Dice are not noised. A run
        that begins again after totals were opened counts its rounds anew: add them.

    Example:
        >>> round(Noise(multiplier=4.0, delta=1e-5).epsilon(rounds=10), 2)
        4.11
    """

    multiplier: float
    delta: float = 1e-5

    def epsilon(self, rounds: int) -> float:
        """What so many rounds together cost."""
        rho = rounds / (2 * self.multiplier**2)
        return rho + 2 * math.sqrt(rho * math.log(1 / self.delta))


@dataclass(frozen=True, eq=False)
class AveragedNetwork:
    """What the totals say.

    Args:
        weights: (P,) after the last round.
        cohort: sites, training cases and patients.
        dice: mean Dice of all held-out cases before the first round and after each.
        epsilon: of the noise over all rounds; None without noise.
    """

    weights: Float64Array
    cohort: Cohort
    dice: tuple[float, ...]
    epsilon: float | None

    @property
    def is_better(self) -> bool:
        """Whether the held-out cases of all sites together are segmented better than before."""
        return self.dice[-1] > self.dice[0]


@federated_jobs.register("averaging")
class AveragingJob:
    """Federated averaging, of changes of the weights.

    1. Heading and the number of held-out cases.
    2. to R + 1. The Dice of the held-out cases under the weights so far, and the site's change of the weights times
       its share of all training cases, shortened to at most `longest_change`. The total is the average change.
    R + 2. The Dice under the final weights.

    FedProx and FedBN are the site's affair: a proximal term changes how `LocalTraining` trains, and weights that stay
    local are no part of its vectors.

    Args:
        start: (P,) weights that all sites have in use.
        rounds: R.
        longest_change: C, Euclidean length beyond which a site's change is shortened.
        noise: added to each change; None for none.
        fewest_patients: of all sites together.

    Source:
        McMahan et al., AISTATS 2017, algorithm 1, with all sites in every round. Differs: changes are summed in place
        of weights, which is the same average and needs fewer bits; they are shortened as in McMahan et al., ICLR 2018.
    """

    def __init__(
        self, start: Float64Array, *, rounds: int, longest_change: float = 100.0, noise: Noise | None = None,
        fewest_patients: int = FEWEST_PATIENTS,
    ) -> None:  # fmt: skip
        if start.ndim != 1 or not start.size or rounds < 1:
            raise WrongShape("Averaging needs a vector of weights and at least one round.")
        if not np.isfinite(start).all():
            raise NotFinite("The weights to start from are not finite.")
        self.start, self.rounds, self.longest_change, self.noise = start, rounds, longest_change, noise
        self.fewest_patients = fewest_patients
        self.most_rounds = rounds + 2

    def finished(self, totals: Totals) -> bool:
        """After R + 2 rounds."""
        if totals:
            Cohort.of(totals[0]).checked(self.fewest_patients)
            check_same_cohort(totals)
        return len(totals) >= self.most_rounds

    def size(self, totals: Totals) -> int:
        """5, but for the rounds of training 5 + P."""
        return HEADING + 1 + (self.start.size if self._trains(totals) else 0)

    def bounds(self, totals: Totals) -> Bounds:
        """Counts in the first round; later shares, and a change no longer than allowed, with its noise."""
        if not totals:
            return Bounds(float(MOST_ROWS), 4.0 * MOST_ROWS, 1.0)
        if not self._trains(totals):
            return Bounds(2.0, 4.0, STEP)
        spread = self.longest_change * (self.noise.multiplier if self.noise else 0.0)
        longest = self.longest_change + spread * (math.sqrt(self.start.size) + LARGEST_NOISE)
        return Bounds(2.0 + self.longest_change + LARGEST_NOISE * spread, 4.0 + longest, STEP)

    def contribution(self, totals: Totals, data: LocalTraining) -> Float64Array:
        """One site's vector of the next round."""
        own = opening(data.cases, data.patients, np.array([float(data.judged_cases)]))
        if not totals:
            return own
        self.finished(totals)
        if data.cases == 0:
            return np.zeros(self.size(totals))
        weights, judged = self._weights(totals), max(totals[0][HEADING], 1.0)
        dice = data.dice_sum(weights) / judged if data.judged_cases else 0.0
        vector = [shares(own, totals[0]), np.array([dice])]
        if self._trains(totals):
            vector.append(self._change(totals, data, weights))
        return np.concatenate(vector)

    def result(self, totals: Totals) -> AveragedNetwork:
        """The averaged weights and how they judged."""
        self.finished(totals)
        dice = tuple(float(total[HEADING]) for total in totals[1:])
        epsilon = None if self.noise is None else self.noise.epsilon(self.rounds)
        return AveragedNetwork(self._weights(totals), Cohort.of(totals[0]), dice, epsilon)

    def _trains(self, totals: Totals) -> bool:
        return 1 <= len(totals) <= self.rounds

    def _weights(self, totals: Totals) -> Float64Array:
        """After the rounds of training so far."""
        weights = self.start.copy()
        for total in totals[1 : self.rounds + 1]:
            weights += total[HEADING + 1 :]
        return weights

    def _change(self, totals: Totals, data: LocalTraining, weights: Float64Array) -> Float64Array:
        change = data.trained(weights, len(totals)) - weights
        if not np.isfinite(change).all():
            raise NotFinite("The training at this site came to weights that are not finite.")
        length = float(np.linalg.norm(change))
        change *= min(1.0, self.longest_change / length) if length else 1.0
        if self.noise is not None:
            random = np.random.default_rng(secrets.randbits(256))
            drawn = np.clip(random.standard_normal(change.size), -LARGEST_NOISE, LARGEST_NOISE)
            change += drawn * self.noise.multiplier * self.longest_change
        share: Float64Array = change * (data.cases / totals[0][1])
        return share
