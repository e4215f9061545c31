"""A conformal threshold over all sites, from summed histograms of nonconformity; and what it covers at each site."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hospital_agent.federation.jobs import Bounds, Float64Array, Totals, federated_jobs
from hospital_agent.federation.jobs.cohort import HEADING, Cohort, check_same_cohort, opening, patient_count, shares
from hospital_agent.federation.jobs.errors import NotFinite, WrongShape
from hospital_agent.reporting.privacy import Policy, finest_resolution, releasable
from hospital_agent.reporting.tally import Tally
from shared.statistics.intervals import Bounded, clopper_pearson
from shared.summaries import Histogram

MOST_PATIENTS = float(1 << 20)
STEP = 2.0**-40


@dataclass(frozen=True)
class LocalNonconformity:
    """One nonconformity score a patient: how badly the model was wrong there; higher is worse.

    For a threshold of failure these are the predicted failure probabilities of masks that were good; for an interval
    of Dice, the errors in units of their deviation.

    Args:
        scores: one finite number a patient.
        patients: whose; each once, since a patient with many cases would count many times.
        policy: the site's own rule of privacy.

    Raises:
        NotFinite: a score is not a finite number.
        WrongShape: a patient occurs twice, or not one patient a score.
    """

    scores: Sequence[float] = field(repr=False)
    patients: Sequence[str] = field(repr=False)
    policy: Policy

    def __post_init__(self) -> None:
        if not np.isfinite(np.asarray(self.scores, dtype=np.float64)).all():
            raise NotFinite("The nonconformity scores of this site hold values that are not finite numbers.")
        if patient_count(self.patients, len(self.scores)) != len(self.scores):
            raise WrongShape("A conformal threshold takes one score a patient.")

    @property
    def releasable(self) -> bool:
        """Whether the site has as many patients as its own rule asks for."""
        return releasable(Tally(len(self.scores), frozenset(self.patients), 0, {}, {}), self.policy)


@dataclass(frozen=True)
class FederatedThreshold:
    """What the totals say.

    Args:
        threshold: scores at or below it conform; None where the level cannot be promised with so few patients, or
            only beyond the last edge.
        level: the promise: the probability that a new patient *of the mixture of sites* - a site drawn as often as it
            has patients here - stays at or below the threshold is at least this. It is no promise for any one site.
        cohort: sites and patients it stands on; sites below their k gave zeros and are not in it.
        sites_suppressed: how many these were.
        histogram: of all scores.
    """

    threshold: float | None
    level: float
    cohort: Cohort
    sites_suppressed: int
    histogram: Histogram

    def coverage_at(self, data: LocalNonconformity, confidence: float = 0.95) -> Bounded | None:
        """What the threshold covers at one site, computed by the site for itself; it need not leave it.

        Patients whose scores went into the threshold favour it a little; patients who came later do not.

        Args:
            confidence: of the exact interval.

        Returns:
            Share of the site's patients at or below the threshold; None without a threshold or without patients.
        """
        if self.threshold is None or not len(data.scores):
            return None
        inside = int(np.sum(np.asarray(data.scores) <= self.threshold))
        low, high = clopper_pearson(inside, len(data.scores), confidence)
        return Bounded(inside / len(data.scores), low, high, "Clopper-Pearson")


@federated_jobs.register("conformal")
class ConformalJob:
    """The smallest edge that conforms with the wanted level, counted over the patients of all sites.

    1. Sites with at least k patients (each by its own policy), patients; and how many sites have fewer.
    2. The histogram of their scores, on as many bins as the rule of the reports allows so many patients: 8, 16 or 32.

    With P patients the ceil(level (P + 1))-th smallest score would be the threshold (split conformal). From a
    histogram it is known up to its bin, and the bin's upper edge is taken: never less coverage than promised, more by
    what lies in one bin. An open last bin has no upper edge, hence no threshold.

    A site that falls out between the rounds stops the job (`cohort`).

    Args:
        cuts: the 31 edges of the score's quantity.
        level: in (0, 1).

    Source:
        Vovk, Gammerman, Shafer 2005, split conformal; Lu et al., "Federated conformal predictors for distributed
        uncertainty quantification", 2023, for the mixture of sites. Differs: fixed bins instead of a sketch.
    """

    most_rounds = 2

    def __init__(self, cuts: Sequence[float], level: float) -> None:
        if not 0 < level < 1:
            raise WrongShape("A level lies strictly between 0 and 1.")
        self.zero = Histogram.zero(cuts)
        if self.zero.resolution != 32:
            raise WrongShape("A quantity has 31 edges.")
        self.level = level

    def finished(self, totals: Totals) -> bool:
        """After two rounds."""
        if totals:
            Cohort.of(totals[0]).checked(1)
            check_same_cohort(totals)
        return len(totals) >= self.most_rounds

    def size(self, totals: Totals) -> int:
        """4 + 1, then 4 + the bins."""
        return HEADING + (self._resolution(totals) if totals else 1)

    def bounds(self, totals: Totals) -> Bounds:
        """Counts of patients, and of sites."""
        return Bounds(MOST_PATIENTS, MOST_PATIENTS * np.sqrt(self.size(totals)), STEP)

    def contribution(self, totals: Totals, data: LocalNonconformity) -> Float64Array:
        """One site's counts; zeros, and one suppressed site, where it has fewer patients than its own k."""
        rows = len(data.scores) if data.releasable else 0
        histogram = Histogram.of(data.scores, self.zero.cuts)
        own = opening(rows, rows, np.array(histogram.counts, dtype=np.float64))
        if not totals:
            return np.append(own[:HEADING], float(len(data.scores) > rows))
        self.finished(totals)
        if rows == 0:
            return np.zeros(self.size(totals))
        counts = histogram.coarsen(self._resolution(totals)).counts
        return np.concatenate([shares(own, totals[0]), counts])

    def result(self, totals: Totals) -> FederatedThreshold:
        """The threshold, and what it stands on."""
        self.finished(totals)
        cohort = Cohort.of(totals[0])
        cuts = self.zero.coarsen(self._resolution(totals)).cuts
        bins = tuple(int(count) for count in np.round(totals[1][HEADING:]))
        suppressed = round(totals[0][HEADING])
        histogram = Histogram(cuts, bins)
        return FederatedThreshold(self._threshold(histogram), self.level, cohort, suppressed, histogram)

    def _threshold(self, histogram: Histogram) -> float | None:
        rank = math.ceil(self.level * (histogram.total + 1) - 1e-9)
        reached = np.flatnonzero(np.cumsum(histogram.counts) >= rank)
        if rank > histogram.total or reached[0] >= len(histogram.cuts):
            return None
        return histogram.cuts[int(reached[0])]

    @staticmethod
    def _resolution(totals: Totals) -> int:
        return finest_resolution(Cohort.of(totals[0]).patients)
