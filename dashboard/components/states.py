"""A site's and an alert's state in words, with its icon and tone: one table each, so that no page invents another."""

from dataclasses import dataclass

from dashboard.theme import Tone
from shared.federation.read_models import RunState
from shared.read_models import AlertState, Severity, SiteState


@dataclass(frozen=True)
class Look:
    """How a state is shown; the word carries the meaning, icon and tone repeat it."""

    word: str
    icon: str
    tone: Tone
    meaning: str = ""


SITE_STATES: dict[SiteState, Look] = {
    "alert": Look("Alert", "triangle", "critical", "A change has been shown; somebody must look."),
    "silent": Look("Silent", "unplugged", "silent", "The agent no longer gives a sign of life."),
    "never_seen": Look("Never seen", "unplugged", "silent", "Registered, but its agent has not called yet."),
    "outdated": Look("Outdated", "update", "warning", "The agent runs a version that is too old."),
    "no_scans": Look("No report", "inbox", "warning", "The agent is alive, but no report comes."),
    "suppressed": Look("Suppressed", "hidden", "quiet", "Windows hold fewer patients than the k rule asks."),
    "warming_up": Look("Warming up", "hourglass", "info", "The site collects its first patients for the baseline."),
    "ok": Look("As usual", "check", "fine", "Nothing to do."),
}

ALERT_STATES: dict[AlertState, Look] = {
    "firing": Look("Open", "triangle", "critical"),
    "acknowledged": Look("Acknowledged", "person", "warning"),
    "resolved": Look("Resolved", "check", "fine"),
}

SEVERITIES: dict[Severity, Look] = {
    "critical": Look("Critical", "triangle", "critical"),
    "warning": Look("Warning", "triangle", "warning"),
    "info": Look("For information", "info", "info"),
}

RUN_STATES: dict[RunState, Look] = {
    "proposed": Look("Proposed", "inbox", "quiet", "Asked for; nobody has taken it up yet."),
    "running": Look("Running", "hourglass", "info", "The sites are computing."),
    "completed": Look("Completed", "check", "fine", "There is a result."),
    "failed": Look("Failed", "triangle", "critical", "It ended without a result."),
    "interrupted": Look("Interrupted", "unplugged", "warning", "Whoever led it gives no sign of life any more."),
}

KEY_GOOD = Look("Good", "check", "fine", "The site is known by this key.")
KEY_ENDED = Look("Ended", "unplugged", "quiet", "Revoked, or replaced by a newer key.")

HEADLINE: tuple[tuple[str, str, frozenset[SiteState]], ...] = (
    ("alerting", "Alerting", frozenset({"alert"})),
    ("silent", "Silent", frozenset({"silent", "never_seen"})),
    ("attention", "Need attention", frozenset({"outdated", "no_scans", "suppressed"})),
    ("warming_up", "Warming up", frozenset({"warming_up"})),
    ("fine", "As usual", frozenset({"ok"})),
)
"""The groups of the overview's headline strip: key, word, states."""
