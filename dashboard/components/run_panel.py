"""One federated run: how it stands, who took part, who is missing and why, what came of it, and its rounds."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components.basics import Children, aria, badge, fact, facts, panel, when
from dashboard.components.plain_table import Row, plain_table
from dashboard.components.run_table import job_title, taking_part
from dashboard.components.states import RUN_STATES
from dashboard.wording import bytes_in_words, duration, moment, number
from shared.federation.read_models import MissingSite, RoundView, RunDetail, RunOverview, Told

ROUND_COLUMNS = ("Round", "Took part", "Missing, and why", "Time", "A site sent", "Ended")


def run_panel(detail: RunDetail, now: datetime) -> Component:
    """The whole run."""
    run = detail.overview
    note: list[Component | str] = [
        badge(RUN_STATES[run.state]),
        when(run.created_at, now, "asked for "),
        f"by {run.actor}",
    ]
    return panel(
        job_title(run.job),
        [
            html.P(run.sentence, className="run-sentence"),
            facts(_facts(detail)),
            *_sites(run),
            *_named("Asked for with", run.options),
            *_named("What the sites made of it", run.told),
            *_rounds(detail.rounds),
        ],
        note=html.Div(note, className="run-note"),
        name="run",
    )


def _facts(detail: RunDetail) -> list[Component]:
    run = detail.overview
    found = [
        fact("Sites that took part", taking_part(run)),
        *(_of_rounds(detail) if detail.rounds else [fact("Rounds", "none yet" if run.ended_at is None else "none")]),
        fact("For one answer", duration(detail.deadline_s), "How long a site has before the run goes on without it."),
        fact("Started", moment(run.started_at) if run.started_at else "not yet"),
    ]
    if run.ended_at:
        found.append(fact("Ended", moment(run.ended_at)))
    return found


def _of_rounds(detail: RunDetail) -> list[Component]:
    run, attempts = detail.overview, max(one.attempt for one in detail.rounds)
    return [
        fact("Rounds", f"{len(detail.rounds):,}" + (f", in {attempts} attempts" if attempts > 1 else "")),
        fact("Time in rounds", duration(run.seconds)),
        fact("A site sent", bytes_in_words(run.bytes_per_site), "Most that one site sent, over all rounds."),
    ]


def _sites(run: RunOverview) -> list[Component]:
    made: list[Component] = []
    if run.contributors:
        chips: list[Component] = [html.Li(_site(site)) for site in run.contributors]
        made.append(html.Div([html.H3("Took part"), html.Ul(chips, className="chips")], className="run-part"))
    if run.missing:
        lines = [html.Li(_missing(one)) for one in run.missing]
        made.append(html.Div([html.H3("Missing"), html.Ul(lines, className="missing")], className="run-part"))
    return made


def _site(site: str) -> Component:
    return dcc.Link(site, href=f"/sites/{site}")


def _missing(one: MissingSite) -> list[Component | str]:
    return [_site(one.site), f": {one.words}"]


def _named(title: str, values: Mapping[str, Told]) -> list[Component]:
    return [html.Div([html.H3(title), told_facts(values)], className="run-part")] if values else []


def told_facts(told: Mapping[str, Told]) -> Component:
    """Options, or what the sites told of a result, by their names."""
    return facts([fact(job_title(name), value_in_words(value)) for name, value in told.items()])


def value_in_words(value: Told) -> str:
    """An option or a result as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else value


def _rounds(rounds: Sequence[RoundView]) -> list[Component]:
    if not rounds:
        return []
    table = plain_table("Rounds, newest first", ROUND_COLUMNS, [_round(one) for one in reversed(rounds)])
    scrolling = html.Div(table, className="rounds", tabIndex=0, role="region", **aria(label="Rounds"))
    return [html.Div([html.H3("Rounds, newest first"), scrolling], className="run-part")]


def _round(one: RoundView) -> Row:
    label: list[Component | str] = [f"{one.number:,}"]
    if one.attempt > 1:
        label.append(html.Span(f"attempt {one.attempt}", className="fact-note"))
    missing: Children = "nobody"
    if one.missing:
        missing = html.Ul([html.Li(_missing(each)) for each in one.missing], className="missing")
    everybody = html.Span(f"{len(one.contributors):,}", title=", ".join(one.contributors))
    cells: list[Children] = [
        label,
        everybody,
        missing,
        duration(one.seconds),
        bytes_in_words(one.bytes_per_site),
        moment(one.ended_at),
    ]
    return Row(cells)
