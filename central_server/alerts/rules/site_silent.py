"""A site that has given no sign of life."""

from collections.abc import Iterator
from typing import ClassVar

from central_server.alerts.findings import Finding, Moment, Situation
from central_server.alerts.rules import rules
from shared.read_models import Evidence


@rules.register("site_silent")
class SiteSilent:
    """No sign of life for the configured time, counted only while the centre itself was listening.

    A site that never spoke is not silent but awaited; the overview says so. The finding is about the moment at which
    the silence began: one silence is told once, and the alert resolves by itself when the site is heard again.
    """

    resolves_itself: ClassVar[bool] = True

    def find(self, situation: Situation, moment: Moment) -> Iterator[Finding]:
        """The silence, while it lasts."""
        seen, listening = situation.last_seen_at, moment.listening
        if seen is None or listening is None or listening.quiet_for(seen, moment.now) < moment.policy.silent_after:
            return
        allowed = moment.policy.silent_after.total_seconds()
        yield Finding(
            rule="site_silent",
            site=situation.site,
            cause=f"site_silent/{situation.site}",
            severity="warning",
            title=f"No sign of life since {seen:%Y-%m-%d %H:%M} UTC",
            metric=None,
            stratum="all",
            observed_at=seen,
            evidence=Evidence(
                n=None,
                baseline_n=None,
                effect=None,
                statistic_name="seconds without a sign of life",
                statistic=float(int(listening.quiet_for(seen, moment.now).total_seconds())),
                threshold=allowed,
                since=seen,
                sentence=f"The site's agent was last heard at {seen:%Y-%m-%d %H:%M} UTC and should be heard at least "
                f"every {allowed / 60:.0f} minutes. Nothing is known of its scans since then.",
            ),
            next_step="Call the site's IT: is the agent's machine running, and can it reach the centre?",
        )
