"""The chapters of the story: every hospital learns what is usual there, then one scanner changes."""

import time

from demo.patients import CHANGED_SCANNER, CHANGED_SITE
from demo.proof import NotProved
from demo.story import Say, Story
from shared.read_models import AlertView

CALM = 6  # patients a site after the baselines are frozen and before the scanner changes
CHANGED = 60  # patients after the change, at most
BASELINE_AT_MOST = 60


def until_baselines(story: Story) -> None:
    """The first chapter: patients come, until every hospital knows what is usual there."""
    story.say("patients come to all three hospitals; each learns what is usual there (25 patients)")
    story.feed_until_baselines(BASELINE_AT_MOST)
    story.say("every site has frozen its baseline; more patients come, nothing has changed")


def until_alert(story: Story) -> list[AlertView]:
    """The second chapter: one scanner changes; ends with the first alert of that site, or with the last patient."""
    story.feed(CALM)
    story.drain()
    before = story.change_alerts()
    if before:
        raise NotProved("An alert came before the scanner changed.")
    scanner = CHANGED_SCANNER
    story.say(
        f"the scanner of {CHANGED_SITE} changes: {scanner.kernel} kernel, dose {scanner.dose}, "
        f"{scanner.slice_mm:.0f} mm slices"
    )
    story.change_scanner()
    for _ in range(CHANGED // 5):
        story.feed(5, to_others=2)  # the question is open at one hospital; the others go on as a control
        if story.change_alerts():
            break
    story.drain()
    # The last cases travel with the next report; a window closes after seconds here.
    deadline = time.monotonic() + 60
    while not story.change_alerts() and time.monotonic() < deadline:
        time.sleep(1)
    return story.change_alerts()


def tell(alert: AlertView, say: Say) -> None:
    """Say what an alert says."""
    evidence = alert.evidence
    say(f"ALERT at {alert.site}: {alert.title}")
    say(f"  {evidence.sentence}")
    if evidence.statistic is not None and evidence.threshold is not None:
        say(f"  evidence {evidence.statistic:.1f} against an alarm line of {evidence.threshold:.1f} (natural log)")
