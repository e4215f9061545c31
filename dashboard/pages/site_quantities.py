"""The part of a site's page that shows its quantities: small multiples, and one quantity in the large view."""

from collections.abc import Sequence
from dataclasses import dataclass

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component

from dashboard import exports
from dashboard.client import CentralClient, CentralForPerson
from dashboard.components import quantities
from dashboard.components.basics import chart, nothing_here, notice, panel
from dashboard.errors import CentralRefused, CentralUnreachable, UnreadableAnswer
from dashboard.figures import histogram, scores
from dashboard.figures.chart import Figure
from dashboard.figures.common import change_marks_of
from dashboard.pages.parts import KEEP, digest, in_browser, rests_while_asking
from dashboard.session import signed_in
from dashboard.wording import ANSWER_WORDS, span
from shared.clock import Clock
from shared.read_models import AlertView, DetectorSeries, DriftSeries, MetricInfo, MetricPoint, MetricSeries

TICKERS = ("multiples", "detail")
LATEST = "latest"
FIRST_SHOWN = 12
EVIDENCE_HEIGHT = 220
Options = list[dict[str, str]]


@dataclass(frozen=True)
class Multiples:
    """The quantities of a site, the most changed first."""

    ordered: list[MetricInfo]
    shown: tuple[MetricSeries, ...]
    alerts: tuple[AlertView, ...]

    @property
    def name(self) -> str:
        """Changes exactly when a card has to be drawn again."""
        return digest([*self.ordered, *self.shown, *self.alerts])

    def options(self) -> Options:
        """What the list of quantities offers."""
        return [{"value": info.name, "label": info.label} for info in self.ordered]


@dataclass(frozen=True)
class Detail:
    """One quantity in the large view."""

    series: MetricSeries
    drift: DriftSeries
    detectors: tuple[DetectorSeries, ...]
    alerts: tuple[AlertView, ...]

    @property
    def name(self) -> str:
        """Changes exactly when a chart has to be drawn again."""
        return digest([self.series, self.drift, *self.detectors, *self.alerts])


def ask_multiples(central: CentralForPerson, site: str, show_all: bool) -> Multiples:
    """The quantities in order of need, with their series; without `show_all` only the first of them."""
    alerts = central.alerts(site=site)
    ordered = quantities.most_changed_first(central.metrics(site), alerts, central.detectors(site))
    wanted = ordered if show_all else ordered[:FIRST_SHOWN]
    return Multiples(ordered, central.several_metrics(site, [info.name for info in wanted]), alerts)


def ask_detail(central: CentralForPerson, site: str, quantity: str, stratum: str) -> Detail:
    """One quantity with all that is known of it."""
    series, drift = central.metric(site, quantity, stratum), central.drift(site, quantity, stratum)
    detectors = tuple(one for one in central.detectors(site) if one.metric == quantity)
    return Detail(series, drift, detectors, tuple(a for a in central.alerts(site=site) if a.metric == quantity))


def chosen_point(points: Sequence[MetricPoint], window: str | None) -> MetricPoint | None:
    """The window a person chose; else the latest one that has a distribution; else the latest one."""
    if window is not None and window != LATEST:
        return next((point for point in points if str(point.window.index) == window), None)
    with_numbers = [point for point in points if point.histogram is not None and point.n]
    found = with_numbers or points
    return found[-1] if found else None


def window_options(points: Sequence[MetricPoint]) -> Options:
    """The windows to choose from, newest first; one without a number says why."""
    options = [{"value": LATEST, "label": "latest with numbers"}]
    for point in reversed(points):
        why = "" if point.answer == "ok" else f" ({ANSWER_WORDS[point.answer].split(':')[0]})"
        options.append({"value": str(point.window.index), "label": f"{span(point.window)}{why}"})
    return options


def layout(quantity: str | None, window: str | None, stratum: str) -> list[Component]:
    """The two panels, empty."""
    more = html.Button(
        "Show all quantities", id="show-all", className="quiet-button no-print", n_clicks=0, type="button"
    )
    return [
        panel(
            "Scores over time",
            [dcc.Store(id="multiples-digest"), html.Div(id="multiples"), more],
            note="Most changed first. Blue: the median of each window with its 10th to 90th percentile. Grey: the "
            "site's own baseline. Hatched: no number, and why.",
            name="scores",
        ),
        panel(
            "One quantity in detail",
            _detail_frame(quantity, window, stratum),
            name="quantity-detail",
        ),
    ]


def _detail_frame(quantity: str | None, window: str | None, stratum: str) -> list[Component]:
    choices = html.Div(
        [
            dmc.Select(
                id="quantity", label="Quantity", data=[], value=quantity, searchable=True, allowDeselect=False, w=260,
                size="xs",
            ),
            dmc.Select(
                id="window", label="Window", data=[{"value": LATEST, "label": "latest with numbers"}],
                value=window or LATEST, searchable=True, allowDeselect=False, w=300, size="xs",
            ),
            html.Div(id="quantity-words", className="quantity-words"),
            html.Button("Download CSV", id="export", className="quiet-button no-print", n_clicks=0, type="button"),
            dcc.Download(id="export-file"),
        ],
        className="choices",
    )  # fmt: skip
    charts = html.Div(
        [chart(scores.LARGE_HEIGHT, name="quantity-course"), chart(histogram.HEIGHT, name="quantity-histogram")],
        className="course-and-histogram",
    )
    return [
        dcc.Store(id="stratum", data=stratum),
        dcc.Store(id="detail-digest"),
        dcc.Store(id="address-sink"),
        choices,
        html.Div(id="detail-problem"),
        html.Div(
            [
                charts,
                html.H3("Distance from the baseline"),
                html.P("Shown for context; never raises an alert. Shaded: what chance alone gives at each window's n.",
                       className="muted"),
                html.Div(id="quantity-drift"),
                html.H3("This quantity's evidence of change"),
                html.Div(id="quantity-evidence"),
            ],
            id="detail-body",
        ),
    ]  # fmt: skip


def course(found: Detail, point: MetricPoint | None) -> Figure:
    """The large chart over time."""
    return scores.large(
        found.series,
        change_marks_of(found.alerts, found.series.metric.name),
        None if point is None else point.window.index,
    )


def distribution(found: Detail, point: MetricPoint | None) -> Figure:
    """The chosen window's histogram beside that of its own baseline, which need not be the one in force now."""
    baseline = None if point is None else scores.baseline_of(found.series, point)
    return histogram.against_baseline(found.series.metric, point, baseline)


def words(found: Detail) -> list[Component]:
    """What the quantity is and how to read it."""
    stratum = "" if found.series.stratum == "all" else f"Stratum {found.series.stratum}. "
    text = f"{stratum}{quantities.direction(found.series.metric).capitalize()}."
    return [html.Span(text), html.Span("Click a window in the chart to see its distribution.", className="no-print")]


def register(app: Dash, client: CentralClient, clock: Clock) -> None:
    """Wire the panels to the clock tick, to actions and to what a person chooses."""
    _register_multiples(app, client, clock)
    _register_choices(app)
    _register_detail(app, client, clock)
    _register_export(app, client, clock)
    in_browser(
        app,
        "showChoice",
        Output("address-sink", "data"),
        Input("quantity", "value"),
        Input("window", "value"),
        Input("multiples", "children"),
        State("stratum", "data"),
    )


def _register_multiples(app: Dash, client: CentralClient, clock: Clock) -> None:
    @app.callback(
        Output("multiples", "children"),
        Output("multiples-digest", "data"),
        Output("show-all", "hidden"),
        Output("show-all", "children"),
        Output("quantity", "data"),
        Output("quantity", "value"),
        Output("quantity-detail", "hidden"),
        Input("multiples-tick", "n_intervals"),
        Input("changed", "data"),
        Input("show-all", "n_clicks"),
        State("site-name", "data"),
        State("multiples-digest", "data"),
        State("quantity", "value"),
        **rests_while_asking("multiples"),
    )
    def refresh(
        _: object, __: object, wants_all: int, site: str, known: str | None, chosen: str | None
    ) -> tuple[object, ...]:
        try:
            found = ask_multiples(signed_in(client, clock), site, bool(wants_all))
        except (CentralRefused, CentralUnreachable, UnreadableAnswer) as error:
            problem = notice("critical", "The quantities could not be read.", str(error)) if known is None else KEEP
            return problem, *(KEEP,) * 6
        if found.name == known:
            return (KEEP,) * 7
        if not found.ordered:
            nothing = nothing_here("No quantity has been reported yet.", "Awaited: the site's first released window.")
            return nothing, found.name, True, KEEP, [], None, True
        first = found.ordered[0].name
        return (
            quantities.multiples(found.shown, found.alerts, chosen or first),
            found.name,
            len(found.shown) == len(found.ordered),
            f"Show all {len(found.ordered)} quantities",
            found.options(),
            KEEP if chosen else first,
            False,
        )


def _register_choices(app: Dash) -> None:
    @app.callback(
        Output("quantity", "value", allow_duplicate=True),
        Input({"type": quantities.MULTIPLE, "metric": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def choose(_: list[int]) -> object:
        # New cards on the page call this as well, with a count of 0.
        clicked = bool(ctx.triggered and ctx.triggered[0]["value"] and ctx.triggered_id)
        return ctx.triggered_id["metric"] if clicked and ctx.triggered_id else KEEP

    @app.callback(
        Output("window", "value"),
        Input("quantity-course", "clickData"),
        prevent_initial_call=True,
    )
    def choose_window(click: dict[str, list[dict[str, object]]] | None) -> object:
        index = click["points"][0].get("customdata") if click and click["points"] else None
        return KEEP if index is None else str(index)


def _register_detail(app: Dash, client: CentralClient, clock: Clock) -> None:
    @app.callback(
        Output("detail-problem", "children"),
        Output("detail-body", "hidden"),
        Output("quantity-course", "figure"),
        Output("quantity-histogram", "figure"),
        Output("quantity-drift", "children"),
        Output("quantity-evidence", "children"),
        Output("quantity-words", "children"),
        Output("window", "data"),
        Output("detail-digest", "data"),
        Input("quantity", "value"),
        Input("window", "value"),
        Input("detail-tick", "n_intervals"),
        Input("changed", "data"),
        State("site-name", "data"),
        State("stratum", "data"),
        State("detail-digest", "data"),
        **rests_while_asking("detail"),
    )
    def refresh(
        quantity: str | None, window: str | None, _: object, __: object, site: str, stratum: str, known: str | None
    ) -> tuple[object, ...]:
        if not quantity:
            return None, True, *(KEEP,) * 7
        try:
            found = ask_detail(signed_in(client, clock), site, quantity, stratum)
        except (CentralRefused, CentralUnreachable, UnreadableAnswer) as error:
            return notice("critical", "This quantity could not be read.", str(error)), *(KEEP,) * 8
        name = digest([found.name, window])
        if name == known:
            return None, False, *(KEEP,) * 7
        point = chosen_point(found.series.points, window)
        return (
            None,
            False,
            course(found, point),
            distribution(found, point),
            quantities.drift_panel(found.drift, None if point is None else point.window.index),
            quantities.evidence_panel(found.detectors, found.alerts, EVIDENCE_HEIGHT),
            words(found),
            window_options(found.series.points),
            name,
        )


def _register_export(app: Dash, client: CentralClient, clock: Clock) -> None:
    @app.callback(
        Output("export-file", "data"),
        Input("export", "n_clicks"),
        State("site-name", "data"),
        State("quantity", "value"),
        State("stratum", "data"),
        prevent_initial_call=True,
    )
    def export(clicks: int, site: str, quantity: str | None, stratum: str) -> object:
        if not clicks or not quantity:
            return KEEP
        series = signed_in(client, clock).metric(site, quantity, stratum)
        return {"content": exports.metric_csv(series), "filename": exports.file_name(series), "type": "text/csv"}
