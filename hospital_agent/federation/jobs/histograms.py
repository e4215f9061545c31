"""Histograms of every score over all sites, under the rule that governs reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hospital_agent.federation.jobs import Bounds, Float64Array, Totals, federated_jobs
from hospital_agent.federation.jobs.errors import WrongShape
from hospital_agent.reporting.events import Event
from hospital_agent.reporting.privacy import Policy, protect, releasable
from hospital_agent.reporting.tally import Tally
from shared.quantities import Quantity
from shared.summaries import RESOLUTIONS, Histogram, Resolution

MOST_CASES = float(1 << 30)
SITE_COUNTS = 4  # told, suppressed, patients, cases


@dataclass(frozen=True)
class WindowOfSite:
    """The counts of one released window at one site, and what its own policy allows to be told of them.

    Args:
        counted: exact counts; they stay here.
        events: the events that the site's reports tell. A histogram must not narrow them either.
        policy: the site's own.
    """

    counted: Tally
    events: Sequence[Event]
    policy: Policy


@dataclass(frozen=True)
class SummedMetric:
    """One score over the sites that tell it.

    Args:
        histogram: of the values.
        undefined: cases that cannot have the score.
        sites_told, sites_withheld: how many sites are in it, and how many of those with enough patients had to keep
            it back because a small count would have followed from it.
    """

    histogram: Histogram
    undefined: int
    sites_told: int
    sites_withheld: int


@dataclass(frozen=True)
class FederatedHistograms:
    """What the total says.

    Args:
        sites_told, sites_suppressed: sites with k patients, and sites with fewer: these gave zeros.
        patients, cases: of the sites that told.
        metrics: by name of the quantity.
    """

    sites_told: int
    sites_suppressed: int
    patients: int
    cases: int
    metrics: Mapping[str, SummedMetric]


@federated_jobs.register("histograms")
class HistogramsJob:
    """One round: each site's protected histograms and how many sites had to stay silent, all as whole numbers.

    A site decides by `reporting.privacy.protect`, the same function that protects its reports, and by its own k: below
    k distinct patients it gives zeros and counts as suppressed, and a score whose histogram the rule coarsens beyond
    the job's resolution or withholds counts as withheld. So every site's vector could leave it by itself; the sum
    only tells less. Windows are those of the reports, each asked once: two sums over windows that overlap could be
    subtracted.

    Args:
        catalogue: the quantities, in a fixed order that all sites know. The centre chooses none.
        resolution: bins of every histogram. 8 is what the rule allows a window below 50 patients; a site takes part
            in finer ones only with as many patients as the rule asks for.
    """

    most_rounds = 1

    def __init__(self, catalogue: Sequence[Quantity], resolution: Resolution = 8) -> None:
        if resolution not in RESOLUTIONS or len({one.name for one in catalogue}) != len(catalogue):
            raise WrongShape("A catalogue names every quantity once, and histograms have 8, 16 or 32 bins.")
        self.catalogue = tuple(catalogue)
        self.resolution = resolution

    def finished(self, totals: Totals) -> bool:
        """After one round."""
        return len(totals) >= self.most_rounds

    def size(self, totals: Totals) -> int:  # noqa: ARG002 - one round alone
        """4, and for each quantity told, withheld, undefined and the bins."""
        return SITE_COUNTS + len(self.catalogue) * (3 + self.resolution)

    def bounds(self, totals: Totals) -> Bounds:
        """Counts of cases."""
        return Bounds(MOST_CASES, MOST_CASES * np.sqrt(self.size(totals)), 1.0)

    def contribution(self, totals: Totals, data: WindowOfSite) -> Float64Array:
        """One site's counts, as far as it may tell them."""
        vector = np.zeros(self.size(totals))
        if data.counted.case_count == 0:
            return vector
        if not releasable(data.counted, data.policy):
            vector[1] = 1
            return vector
        vector[:SITE_COUNTS] = 1, 0, data.counted.patient_count, data.counted.case_count
        told = protect(data.counted, data.policy, data.events)
        for place, quantity in enumerate(self.catalogue):
            metric = told.metrics.get(quantity.name)
            if metric is None or data.counted.metrics[quantity.name].histogram.cuts != quantity.cuts:
                raise WrongShape(f"This site does not count '{quantity.name}' on the edges of the catalogue.")
            block = self._block(vector, place)
            if metric.histogram is None or metric.histogram.resolution < self.resolution:
                block[1] = 1
            else:
                counts = metric.histogram.coarsen(self.resolution).counts
                block[:] = [1, 0, metric.undefined.low, *counts]
        return vector

    def result(self, totals: Totals) -> FederatedHistograms:
        """The summed histograms."""
        (total,) = totals
        counts = np.round(total)
        told, suppressed, patients, cases = (int(count) for count in counts[:SITE_COUNTS])
        metrics = {}
        for place, quantity in enumerate(self.catalogue):
            with_it, without, undefined, *bins = (int(count) for count in self._block(counts, place))
            cuts = Histogram.zero(quantity.cuts).coarsen(self.resolution).cuts
            metrics[quantity.name] = SummedMetric(Histogram(cuts, tuple(bins)), undefined, with_it, without)
        return FederatedHistograms(told, suppressed, patients, cases, metrics)

    def _block(self, vector: Float64Array, place: int) -> Float64Array:
        width = 3 + self.resolution
        return vector[SITE_COUNTS + place * width : SITE_COUNTS + (place + 1) * width]
