"""An alert with all that a person needs to judge it: what changed, how sure, since when, what to do, who did what."""

from collections.abc import Sequence
from datetime import datetime

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components.basics import badge, fact, facts, icon, when
from dashboard.components.states import ALERT_STATES, SEVERITIES
from dashboard.wording import age, many, moment, number, plural
from shared.read_models import AlertView, Effect, Evidence, TransitionView

ACTION_BUTTON = "alert-action"
LABELS = {"acknowledge": "Acknowledge", "resolve": "Resolve"}
SYSTEM = "system"


def actions_of(alert: AlertView) -> tuple[str, ...]:
    """What a person can do with an alert in its state."""
    return {"firing": ("acknowledge", "resolve"), "acknowledged": ("resolve",), "resolved": ()}[alert.state]


def sorted_by_need(alerts: Sequence[AlertView]) -> list[AlertView]:
    """Open before acknowledged before resolved; the graver first, then the newer."""
    states, severities = list(ALERT_STATES), list(SEVERITIES)
    newest_first = sorted(alerts, key=lambda alert: alert.opened_at, reverse=True)
    return sorted(newest_first, key=lambda alert: (states.index(alert.state), severities.index(alert.severity)))


def ages(alerts: Sequence[AlertView], now: datetime) -> list[str]:
    """How old the cards say that the alerts are: they have to be made anew when this changes."""
    return [age(alert.opened_at, now) for alert in alerts]


def card(alert: AlertView, now: datetime, *, names_site: bool) -> Component:
    """The whole alert; `names_site` where cards of several sites stand in one list."""
    look = SEVERITIES[alert.severity]
    tone = look.tone if alert.state == "firing" else "quiet"
    return html.Article(
        [
            _head(alert, now, names_site),
            html.P(alert.evidence.sentence, className="alert-sentence"),
            facts(_evidence(alert.evidence, alert)),
            html.Div(
                [
                    html.Div(
                        [html.P([html.Strong("Next step: "), alert.next_step]), _history(alert.transitions)],
                        className="alert-next",
                    ),
                    _buttons(alert),
                ],
                className="alert-foot",
            ),
        ],
        className=f"alert-card edge-{tone}",
        id=f"alert-{alert.alert_id}",
    )


def cards(alerts: Sequence[AlertView], now: datetime, *, names_site: bool) -> Component:
    """Several alerts; one alone takes the whole width."""
    made = [card(alert, now, names_site=names_site) for alert in alerts]
    return html.Div(made, className="alert-cards" if len(made) > 1 else "")


def _head(alert: AlertView, now: datetime, names_site: bool) -> Component:
    look = SEVERITIES[alert.severity]
    site = dcc.Link(alert.site, href=f"/sites/{alert.site}", className="alert-site") if names_site else None
    stratum = html.Span(alert.stratum, className="chip") if alert.stratum != "all" else None
    return html.Header(
        [
            html.Div(
                [
                    html.H3([icon(look.icon), alert.title], className=f"ink-{_ink(alert)}"),
                    badge(ALERT_STATES[alert.state]),
                ],
                className="alert-title",
            ),
            html.Div(
                [
                    site,
                    html.Span(look.word),
                    stratum,
                    when(alert.opened_at, now, "opened "),
                    html.Span(f"owner: {alert.owner}") if alert.owner else None,
                    dcc.Link("permalink", href=f"/alerts?alert={alert.alert_id}"),
                ],
                className="alert-meta",
            ),
        ]
    )


def _ink(alert: AlertView) -> str:
    return "quiet" if alert.state == "resolved" else SEVERITIES[alert.severity].tone


def _evidence(evidence: Evidence, alert: AlertView) -> list[Component]:
    items = []
    if evidence.effect is not None:
        items.append(fact("Effect", _effect(evidence.effect), f"{_capital(evidence.effect.name)}, 95 % interval"))
    if evidence.statistic is not None:
        name, _, detail = evidence.statistic_name.partition(",")
        items.append(fact(_capital(name), _statistic(evidence), f"{_capital(name)},{detail}" if detail else ""))
    if evidence.n is not None:
        items.append(fact("Cases", _cases(evidence.n, evidence.baseline_n)))
    items.append(fact("Since", moment(evidence.since), f"Rule: {alert.rule.replace('_', ' ')}"))
    return items


def _cases(n: int, baseline_n: int | None) -> list[Component | str]:
    note = html.Span(f"baseline {baseline_n:,}", className="fact-note") if baseline_n is not None else None
    return [f"{n:,}", *([note] if note else [])]


def _effect(effect: Effect) -> list[Component | str]:
    unit = "" if effect.unit in ("", "probability", "fraction") else f" {effect.unit}"
    between = f"{number(effect.low)} to {number(effect.high)}{unit}"
    return [html.Strong(f"{number(effect.estimate)}{unit}"), html.Span(between, className="fact-note")]


def _statistic(evidence: Evidence) -> list[Component | str]:
    value = html.Strong(_reading(evidence.statistic))
    if evidence.threshold is None:
        return [value]
    return [value, html.Span(f"threshold {_reading(evidence.threshold)}", className="fact-note")]


def _reading(value: float | None) -> str:
    return many(value) if value is not None and value >= 1e6 else number(value)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _history(transitions: Sequence[TransitionView]) -> Component:
    lines = [html.Li(_transition(change)) for change in transitions]
    title = html.Summary(f"History ({plural(len(lines), 'entry', 'entries')})")
    return html.Details([title, html.Ol(lines)], className="history", open=len(lines) > 1)


def _transition(change: TransitionView) -> list[Component | str | None]:
    word = ALERT_STATES[change.to_state].word.lower()
    return [
        html.Span(moment(change.at), className="history-at"),
        html.Strong(change.actor),
        f" {'opened it' if change.from_state is None else word}",
        html.Span(f"“{change.comment}”", className="history-comment") if change.comment else None,
    ]


def _buttons(alert: AlertView) -> Component:
    buttons = [
        dmc.Button(
            LABELS[action],
            id={"type": ACTION_BUTTON, "action": action, "alert": str(alert.alert_id)},
            size="xs",
            variant="filled" if action == "acknowledge" else "default",
            n_clicks=0,
        )
        for action in actions_of(alert)
    ]
    return html.Div(buttons, className="alert-buttons no-print")
