"""The federated runs in a table, newest first; each leads to its rounds."""

from collections.abc import Sequence
from datetime import datetime

from dash import dcc
from dash.development.base_component import Component

from dashboard.components.basics import badge, when
from dashboard.components.plain_table import Row, plain_table
from dashboard.components.states import RUN_STATES
from dashboard.wording import bytes_in_words, duration
from shared.federation.read_models import RunOverview

COLUMNS = ("Job", "State", "Asked for", "Sites", "Rounds", "Time", "A site sent")


def address_of(run: str) -> str:
    """Where the rounds of a run are shown."""
    return f"/federation?run={run}"


def job_title(job: str) -> str:
    """A job's name as words."""
    return job.replace("_", " ").capitalize()


def taking_part(run: RunOverview) -> str:
    """How many of the invited sites are in it."""
    if not run.invited:
        return "none invited yet"
    return f"{len(run.contributors):,} of {len(run.invited):,}"


def run_table(runs: Sequence[RunOverview], chosen: str | None, now: datetime) -> Component:
    """All of them; the chosen one is marked."""
    return plain_table("Federated runs", COLUMNS, [_row(run, run.run == chosen, now) for run in runs])


def _row(run: RunOverview, is_chosen: bool, now: datetime) -> Row:
    link = dcc.Link(job_title(run.job), href=address_of(run.run), className="row-link")
    done = run.round_count > 0
    cells = (
        link,
        badge(RUN_STATES[run.state]),
        when(run.created_at, now),
        taking_part(run),
        f"{run.round_count:,}" if done else "none yet" if run.state in ("proposed", "running") else "none",
        duration(run.seconds) if done else "–",
        bytes_in_words(run.bytes_per_site) if done else "–",
    )
    return Row(cells, is_chosen=is_chosen)
