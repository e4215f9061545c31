"""A site that lies far from what the model was trained on, since its first day."""

from collections.abc import Iterator
from typing import ClassVar

from central_server.alerts.findings import Finding, Moment, Situation
from central_server.alerts.rules import rules
from central_server.proportions import proportion
from shared.read_models import Effect, Evidence
from shared.report import EventSummary, SiteReport

EVENT = "outside_model_reference"


@rules.register("suitability")
class Suitability:
    """More of the site's own baseline lies outside the model reference than the configured share, beyond chance.

    This is a note, once a baseline, and no drift: no hospital is exchangeable with the training set, so a site is
    compared with the model once and with itself from then on. "Beyond chance" means that the lower end of the exact
    95 % interval lies above the share; for a count told as a band its lower end is taken.
    """

    resolves_itself: ClassVar[bool] = False

    def find(self, situation: Situation, moment: Moment) -> Iterator[Finding]:
        """One finding for each arrived baseline that lies far."""
        for report in situation.arrived:
            event = next((event for event in report.events if event.name == EVENT), None)
            if report.kind == "baseline" and report.stratum == "all" and event is not None and event.out_of > 0:
                yield from self._judge(report, event, moment.policy.suitability_fraction)

    def _judge(self, report: SiteReport, event: EventSummary, allowed: float) -> Iterator[Finding]:
        found = proportion(event.count, event.out_of)
        if found is None or found.low <= allowed:
            return
        share, low, high = found.estimate, found.low, found.high
        version = report.versions.baseline
        yield Finding(
            rule="suitability",
            site=report.site,
            cause=f"suitability/{report.site}/{version}",
            severity="info",
            title="The site's cases lie far from the model's training cases",
            metric=EVENT,
            stratum="all",
            observed_at=report.window.end_at,
            evidence=Evidence(
                n=event.out_of,
                baseline_n=None,
                effect=Effect(name="share outside the model reference", estimate=share, low=low, high=high, unit=""),
                statistic_name="share outside the model reference",
                statistic=share,
                threshold=allowed,
                since=report.window.start_at,
                sentence=f"Of the {event.out_of} cases of the site's baseline, {share:.0%} lie outside the range of "
                f"the model's training cases (95 % interval {low:.0%} to {high:.0%}); up to {allowed:.0%} is usual.",
            ),
            next_step="Ask the site to review a random sample of masks before relying on this model, and talk to its "
            "makers: the model may not suit this scanner or these patients.",
        )
