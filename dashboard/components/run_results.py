"""What came of the federated runs: for each completed one, what the sites told of its result."""

from collections.abc import Sequence
from datetime import datetime

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components.basics import when
from dashboard.components.run_panel import told_facts
from dashboard.components.run_table import address_of, job_title, taking_part
from shared.federation.read_models import RunOverview


def with_result(runs: Sequence[RunOverview]) -> list[RunOverview]:
    """Those that came to an end with a result."""
    return [run for run in runs if run.state == "completed"]


def run_results(runs: Sequence[RunOverview], now: datetime) -> Component:
    """A part for each run, in the order given."""
    return html.Ul([html.Li(_result(run, now), className="result") for run in runs], className="results")


def _result(run: RunOverview, now: datetime) -> list[Component]:
    title = html.H3(dcc.Link(job_title(run.job), href=address_of(run.run)))
    where = html.Div([when(run.ended_at, now), html.Span(f"{taking_part(run)} sites")], className="alert-meta")
    told = told_facts(run.told) if run.told else html.P("The sites told nothing of it.", className="muted")
    return [html.Div([title, where], className="result-head"), told]
