"""What the demo proves, read from the same places that people read: the API, the sites' own stores, their ledgers."""

from dataclasses import dataclass
from pathlib import Path

from demo.patients import CHANGED_SITE
from demo.story import Story
from shared.read_models import AlertView


class NotProved(AssertionError):
    """Something that the demo claims did not come out."""


@dataclass(frozen=True)
class Counts:
    """What became of the series of one site, by its own account."""

    sent: int
    forward_passes: int
    stored: int
    refused: int
    failed: int


def prove_nothing_lost(story: Story) -> dict[str, Counts]:
    """Series sent = forward passes = stored cases, at every site."""
    counts = {}
    for hospital in story.federation.hospitals:
        name = hospital.site.name
        told = hospital.ask("status")
        counts[name] = Counts(
            sent=story.sent[name],
            forward_passes=told["analyses_begun"],
            stored=told["cases"]["scored"],
            refused=told["cases"]["refused"],
            failed=told["cases"]["failed"],
        )
        if not counts[name].sent == counts[name].forward_passes == counts[name].stored:
            raise NotProved(f"{name}: sent, segmented and stored series differ: {counts[name]}.")
    return counts


def prove_only_the_changed_site_alerts(story: Story, alerts: list[AlertView]) -> AlertView:
    """The changed site alerts, with evidence; no other does; and none came before the change."""
    others = sorted({alert.site for alert in alerts} - {CHANGED_SITE})
    if others:
        raise NotProved(f"Sites whose scanner did not change raised alerts: {', '.join(others)}.")
    if not alerts:
        raise NotProved("The scanner changed and no alert fired.")
    first = min(alerts, key=lambda alert: alert.opened_at)
    if story.changed_at is None or first.opened_at.timestamp() < story.changed_at:
        raise NotProved("An alert came before the scanner changed.")
    evidence = first.evidence
    if evidence.statistic is None or evidence.threshold is None or evidence.statistic < evidence.threshold:
        raise NotProved("The alert does not carry a statistic above its threshold.")
    if evidence.effect is None or evidence.n is None:
        raise NotProved("The alert does not say how large the change is, or in how many cases.")
    return first


def prove_silence(alerts: list[AlertView]) -> None:
    """No scanner changed, so no alert may fire."""
    if alerts:
        raise NotProved(f"Nothing changed, yet these alerted: {', '.join(sorted({a.site for a in alerts}))}.")


def prove_ledgers(story: Story) -> dict[str, int]:
    """Every ledger's chain holds, and every report that the centre stored has the hash of a ledger row."""
    lengths = {}
    for hospital in story.federation.hospitals:
        name = hospital.site.name
        told = hospital.ask("ledger", "--verify")  # ends with another status if the chain is broken
        rows = hospital.ask_lines("ledger")
        stored = {row["sha256"] for row in _reports(story, name)}
        if not stored or not stored <= {row["sha256"] for row in rows}:
            raise NotProved(f"The centre holds a report of {name} that is not in its ledger.")
        if not told["verified"] or told["rows"] != len(rows):
            raise NotProved(f"The ledger of {name} does not verify.")
        lengths[name] = told["rows"]
    return lengths


def prove_all_arrived(story: Story) -> dict[str, int]:
    """Every report in a hospital's ledger is at the centre, byte for byte; call it when the outboxes are empty."""
    arrived = {}
    for hospital in story.federation.hospitals:
        name = hospital.site.name
        told = {row["sha256"] for row in hospital.ask_lines("ledger") if row["kind"] == "report"}
        missing = told - {row["sha256"] for row in _reports(story, name)}
        if missing:
            raise NotProved(f"{len(missing)} of {len(told)} reports in the ledger of {name} are not at the centre.")
        arrived[name] = len(told)
    return arrived


def _reports(story: Story, site: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    cursor = ""
    while True:
        page = story.federation.get(f"/reports?site={site}{cursor}")
        rows += page["items"]
        if page["next_cursor"] is None:
            return rows
        cursor = f"&cursor={page['next_cursor']}"


def prove_dashboard(story: Story, alert: AlertView | None, folder: Path) -> str:
    """Sign in with Chromium and see the alert on the overview and on the site's page; keeps screenshots."""
    from demo.browser import find_chromium, look

    chromium = find_chromium()
    if chromium is None:
        return "no Chromium on this machine: the dashboard was not looked at"
    federation = story.federation
    problems = look(
        chromium,
        federation.dashboard,
        federation.lead,
        federation.password,
        site=CHANGED_SITE,
        words=[] if alert is None else [alert.title],
        folder=folder,
    )
    if problems:
        raise NotProved("The dashboard in Chromium: " + " ".join(problems))
    return f"seen in Chromium, screenshots in {folder}"
