"""A small centre in memory, for tests of the dashboard and for looking at it without a server.

It answers the same addresses with the same read models, made from the reports of `report_factory`. It is a fake, not a
second server: its intervals and null bands are simple ones, drawn only to be of the right shape.

`FakeCentral.client()` speaks through a mock transport; `python tests/fake_central.py` serves it over HTTP.
"""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID, uuid5

import httpx2
import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pydantic import BaseModel

from shared.federation.read_models import FederationKey, RunDetail
from shared.read_models import (
    AlertAction,
    AlertState,
    AlertView,
    BaselineView,
    DetectorPoint,
    DetectorSeries,
    DriftPoint,
    DriftSeries,
    DriftStatistic,
    Effect,
    Evidence,
    MetricInfo,
    MetricPoint,
    MetricSeries,
    Quantiles,
    RatePoint,
    RateSeries,
    RateView,
    SessionToken,
    SiteDetail,
    SiteOverview,
    TransitionView,
)
from shared.report import REPORT_NAMESPACE, Interval, MetricSummary, SiteReport
from shared.summaries import Histogram, common
from tests import fake_federation
from tests.report_factory import SiteStory, federation, reports_of

NOW = datetime(2026, 11, 20, 12, 4, tzinfo=UTC)
PEOPLE = {"lead": "correct horse battery"}
RANKS = {"alert": 0, "silent": 10, "never_seen": 15, "outdated": 20, "no_scans": 30, "suppressed": 40, "warming_up": 60}
ACTIONS = {
    "alert": "Look at the open alerts and call the site.",
    "silent": "Call the site: its agent gives no sign of life.",
    "never_seen": "Ask the site to start its agent.",
    "suppressed": "Wait: the last window held too few patients.",
    "warming_up": "Wait until the site has frozen its baseline.",
    "ok": "Nothing to do.",
}


def _wilson(hits: int, n: int, z: float = 1.96) -> Interval:
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Interval(estimate=share, low=min(low, share), high=max(high, share), method="Wilson")


def _quantiles(histogram: Histogram) -> Quantiles | None:
    if histogram.total == 0:
        return None
    cuts, cumulative = histogram.cuts, np.cumsum(histogram.counts)

    def at(share: float) -> float:
        wanted = share * histogram.total
        index = int(np.searchsorted(cumulative, wanted))
        if index == 0 or index >= len(cuts):
            return cuts[0] if index == 0 else cuts[-1]
        before = cumulative[index - 1]
        return cuts[index - 1] + (cuts[index] - cuts[index - 1]) * (wanted - before) / histogram.counts[index]

    return Quantiles(p10=at(0.1), p50=at(0.5), p90=at(0.9))


def _jensen_shannon(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a / a.sum(-1, keepdims=True), b / b.sum(-1, keepdims=True)
    middle = (a + b) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(a > 0, a * np.log2(a / middle), 0) + np.where(b > 0, b * np.log2(b / middle), 0)
    return np.sqrt(np.clip(parts.sum(-1) / 2, 0, 1))


def _psi(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (np.maximum(c / c.sum(-1, keepdims=True), 1e-4) for c in (a, b))
    return ((a - b) * np.log(a / b)).sum(-1)


def _wasserstein(a: np.ndarray, b: np.ndarray, widths: np.ndarray) -> np.ndarray:
    a, b = a / a.sum(-1, keepdims=True), b / b.sum(-1, keepdims=True)
    return (np.abs(np.cumsum(a - b, -1)[..., :-1]) * widths).sum(-1)


@lru_cache(maxsize=4096)
def _drift(current: Histogram, reference: Histogram, unit: str) -> tuple[DriftStatistic, ...]:
    a, b = common(current, reference)
    x, y = np.asarray(a.counts, float), np.asarray(b.counts, float)
    pooled = (x + y) / (x + y).sum()
    random = np.random.default_rng(0)
    xs, ys = random.multinomial(int(x.sum()), pooled, 200), random.multinomial(int(y.sum()), pooled, 200)
    widths = np.append(np.diff(a.cuts), np.diff(a.cuts)[-1])
    kinds: tuple[tuple[str, str, Callable[[np.ndarray, np.ndarray], np.ndarray], str], ...] = (
        ("jensen_shannon", "", _jensen_shannon, "Square root of the divergence to base 2; from 0 to 1."),
        ("wasserstein", unit, lambda p, q: _wasserstein(p, q, widths), "Open ends are counted at their cut."),
        ("psi", "", _psi, "Floor 0.0001 per bin."),
    )
    statistics = []
    for name, unit_word, distance, note in kinds:
        null = distance(xs, ys)
        statistics.append(
            DriftStatistic(
                name=name, unit=unit_word, value=float(distance(x, y)), null_median=float(np.median(null)),
                null_high=float(np.quantile(null, 0.975)), note=note,
            )
        )  # fmt: skip
    return tuple(statistics)


@dataclass
class FakeSite:
    """What one site has sent, and how the read models follow from it."""

    story: SiteStory
    reports: list[SiteReport]
    silent: bool = False

    @property
    def name(self) -> str:
        return self.story.site

    def windows(self, stratum: str = "all") -> list[SiteReport]:
        return [r for r in self.reports if r.kind == "window" and r.stratum == stratum]

    def baseline(self, stratum: str = "all") -> SiteReport | None:
        return next((r for r in self.reports if r.kind == "baseline" and r.stratum == stratum), None)

    def metrics(self) -> list[MetricInfo]:
        found = {m.name: m for r in self.reports for m in r.metrics}
        return [
            MetricInfo(name=m.name, label=m.label, unit=m.unit, direction=m.direction, version=m.version)
            for _, m in sorted(found.items())
        ]

    def info(self, metric: str) -> MetricInfo | None:
        return next((m for m in self.metrics() if m.name == metric), None)

    def point(self, report: SiteReport, metric: str) -> MetricPoint:
        summary = next((m for m in report.metrics if m.name == metric), None)
        histogram = summary.histogram.unwrap() if summary and summary.histogram else None
        return MetricPoint(
            report_id=report.report_id,
            window=report.window,
            answer=_answer(report, summary),
            n=histogram.total if histogram else None,
            undefined=summary.undefined if summary else None,
            histogram=summary.histogram if summary else None,
            quantiles=_quantiles(histogram) if histogram else None,
            baseline_version=report.versions.baseline,
        )

    def series(self, info: MetricInfo, stratum: str) -> MetricSeries:
        frozen = self.baseline(stratum)
        baseline = self.point(frozen, info.name) if frozen else None
        return MetricSeries(
            site=self.name,
            metric=info,
            stratum=stratum,
            baseline=baseline,
            points=tuple(self.point(r, info.name) for r in self.windows(stratum)),
            baselines=(baseline,) if baseline else (),
        )

    def drift(self, info: MetricInfo, stratum: str) -> DriftSeries:
        baseline = self.baseline(stratum)
        reference = self.point(baseline, info.name) if baseline else None
        points = []
        for report in self.windows(stratum):
            point = self.point(report, info.name)
            known = reference is not None and reference.histogram is not None and point.histogram is not None
            after = baseline is not None and report.window.index > baseline.window.index
            statistics = ()
            if known and after and point.n:
                statistics = _drift(point.histogram.unwrap(), reference.histogram.unwrap(), info.unit)
            answer = point.answer if point.answer != "ok" or statistics else "insufficient_data"
            points.append(
                DriftPoint(
                    window=report.window, answer=answer, n=point.n, baseline_n=reference.n if reference else None,
                    statistics=statistics,
                )
            )  # fmt: skip
        return DriftSeries(site=self.name, metric=info, stratum=stratum, points=tuple(points))

    def rates(self) -> RateSeries:
        baseline = self.baseline()
        points = [RatePoint(window=r.window, rates=_rates(r)) for r in self.windows()]
        return RateSeries(
            site=self.name, baseline_flagged_rate=_flagged(baseline) if baseline else None, points=tuple(points)
        )

    def detectors(self) -> list[DetectorSeries]:
        points: dict[tuple[str, str], list[DetectorPoint]] = {}
        for report in self.windows():
            for state in report.detectors:
                points.setdefault((state.metric, state.alternative), []).append(
                    DetectorPoint(window=report.window, state=state)
                )
        return [
            DetectorSeries(
                site=self.name, metric=metric, label=told[-1].state.label, alternative=alternative,
                log_threshold=told[-1].state.log_threshold, points=tuple(told),
            )
            for (metric, alternative), told in sorted(points.items())
        ]  # fmt: skip

    def overview(self, open_alerts: int, now: datetime) -> SiteOverview:
        windows, baseline = self.windows(), self.baseline()
        last = windows[-1] if windows else None
        state = self._state(open_alerts, last, baseline)
        seen = None if last is None else last.created_at if self.silent else now - timedelta(minutes=2)
        view = None
        if baseline:
            view = BaselineView(
                version=1, patient_count=baseline.patient_count, case_count=baseline.case_count, window=baseline.window
            )
        missing = RateView(name="flagged_rate", answer="missing", interval=None, count=None, out_of=None)
        return SiteOverview(
            site=self.name,
            title=self.name.replace("-", " ").title(),
            state=state,
            action=ACTIONS[state],
            action_rank=RANKS.get(state, 90),
            last_seen_at=seen,
            last_report_at=last.created_at if last else None,
            open_alert_count=open_alerts,
            versions=last.versions if last else None,
            baseline=view,
            latest_window=last.window if last else None,
            latest_patient_count=last.patient_count if last else None,
            flagged_rate=_flagged(last) if last else missing,
        )

    def _state(self, open_alerts: int, last: SiteReport | None, baseline: SiteReport | None) -> str:
        if open_alerts:
            return "silent" if self.silent else "alert"
        if last is None:
            return "never_seen"
        if baseline is None:
            return "warming_up"
        return "suppressed" if last.status == "suppressed" else "ok"

    def detail(self, open_alerts: int, now: datetime) -> SiteDetail:
        windows = self.windows()
        last = windows[-1] if windows else None
        return SiteDetail(
            overview=self.overview(open_alerts, now),
            privacy=last.privacy if last else None,
            funnel=last.funnel if last else None,
            report_count=len(self.reports),
            suppressed_count=sum(r.status == "suppressed" for r in self.reports),
            rates=_rates(last) if last else (),
        )


def _answer(report: SiteReport, summary: MetricSummary | None) -> str:
    if report.status == "suppressed":
        return "suppressed"
    if summary is None:
        return "missing"
    if summary.histogram is None:
        return "withheld"
    return "ok" if summary.histogram.unwrap().total else "insufficient_data"


def _flagged(report: SiteReport) -> RateView:
    event = next((e for e in report.events if e.name == "flagged"), None)
    if event is None:
        return RateView(name="flagged_rate", answer="suppressed", interval=None, count=None, out_of=None)
    low, high = _wilson(event.count.low, event.out_of), _wilson(min(event.count.high, event.out_of), event.out_of)
    between = Interval(estimate=(low.estimate + high.estimate) / 2, low=low.low, high=high.high, method="Wilson")
    return RateView(
        name="flagged_rate", answer="ok", interval=between, count=event.count, out_of=event.out_of,
        flag_quality=report.flag_quality,
    )  # fmt: skip


def _rates(report: SiteReport) -> tuple[RateView, ...]:
    reviews = report.reviews
    reviewed = RateView(
        name="reviewed_failure_rate", answer="insufficient_data", interval=None, count=None, out_of=None
    )
    estimated = RateView(
        name="estimated_failure_rate", answer="insufficient_data", interval=None, count=None, out_of=None
    )
    if reviews is not None:
        share = _wilson(reviews.failed.low, reviews.reviewed_n) if reviews.reviewed_n else None
        reviewed = RateView(
            name="reviewed_failure_rate", answer="ok" if share else "insufficient_data", interval=share,
            count=reviews.failed, out_of=reviews.reviewed_n,
        )  # fmt: skip
        estimated = RateView(
            name="estimated_failure_rate", answer="ok" if reviews.estimated else "insufficient_data",
            interval=reviews.estimated, count=None, out_of=reviews.reviewed_n,
        )  # fmt: skip
    return (_flagged(report), reviewed, estimated)


def _detector_alerts(site: FakeSite) -> list[AlertView]:
    """One alert per quantity and direction, at its first page."""
    made: dict[tuple[str, str], AlertView] = {}
    for report in site.windows():
        for state in report.detectors:
            cause = (state.metric, state.alternative)
            if state.pages_in_window == 0 or cause in made:
                continue
            word = "higher" if state.alternative == "greater" else "lower"
            at = report.created_at
            made[cause] = AlertView(
                alert_id=uuid5(REPORT_NAMESPACE, f"{site.name}/{state.metric}/{state.alternative}"),
                site=site.name,
                rule="site_detector",
                severity="critical",
                title=f"{state.label} has become {word}",
                metric=state.metric,
                stratum="all",
                state="firing",
                opened_at=at,
                updated_at=at,
                owner=None,
                evidence=Evidence(
                    n=state.stream_n,
                    baseline_n=state.baseline_n,
                    effect=Effect(
                        name="Probability of superiority", estimate=0.83, low=0.71, high=0.91, unit="probability"
                    ),
                    statistic_name="log evidence of change",
                    statistic=state.highest_log_statistic,
                    threshold=state.log_threshold,
                    since=state.evidence_since or report.window.start_at,
                    sentence=f"{state.label} is {word} than in the site's baseline; a case since the change exceeds a "
                    "baseline case with probability 0.83 (0.71 to 0.91).",
                ),
                next_step="Ask the site what changed on the scanner; look at the worst cases there.",
                transitions=(
                    TransitionView(at=at, actor="system", from_state=None, to_state="firing", comment="detector paged"),
                ),
            )
    return list(made.values())


def _silent_alert(site: FakeSite, now: datetime) -> AlertView:
    last = site.windows()[-1].created_at
    return AlertView(
        alert_id=uuid5(REPORT_NAMESPACE, f"{site.name}/silent"),
        site=site.name,
        rule="site_silent",
        severity="warning",
        title="The site gives no sign of life",
        metric=None,
        stratum="all",
        state="firing",
        opened_at=last + timedelta(hours=1),
        updated_at=last + timedelta(hours=1),
        owner=None,
        evidence=Evidence(
            n=None, baseline_n=None, effect=None, statistic_name="seconds since the last sign of life",
            statistic=(now - last).total_seconds(), threshold=3600.0, since=last,
            sentence="The agent has not called for longer than an hour.",
        ),
        next_step="Call the site's IT.",
        transitions=(
            TransitionView(
                at=last + timedelta(hours=1), actor="system", from_state=None, to_state="firing", comment="no heartbeat"
            ),
        ),
    )  # fmt: skip


class Refusal(Exception):
    """Turned into a problem document."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


@dataclass
class FakeCentral:
    """The centre: sites, alerts and sessions in memory.

    Args:
        broken: every question but the sign-in is answered with this status (503: the server is down).
        page_size: sites and alerts a page, small so that cursors are walked.
    """

    sites: list[FakeSite]
    now: datetime = NOW
    broken: int | None = None
    page_size: int = 3
    sessions: dict[str, str] = field(default_factory=dict)
    alerts: dict[UUID, AlertView] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    runs: list[RunDetail] = field(default_factory=list)
    keys: list[FederationKey] = field(default_factory=list)

    @classmethod
    def with_federation(cls, now: datetime = NOW, windows: int = 30, extra_sites: int = 0) -> "FakeCentral":
        """Five sites with their stories, one that has fallen silent, one never seen, and steady ones to fill up."""
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        stories = federation(windows=windows, last_day=today)
        first = today - timedelta(days=windows)
        sites = [FakeSite(story, reports_of(story)) for story in stories]
        sites[0].reports = [r for r in sites[0].reports if r.window.index != 21]  # a window nobody reported
        quiet = SiteStory("harbour-hospital", seed=9, windows=windows - 3, first_day=first)
        sites.append(FakeSite(quiet, reports_of(quiet), silent=True))
        sites.append(FakeSite(SiteStory("valley-clinic", windows=0), []))
        for number in range(extra_sites):
            story = SiteStory(f"site-{number:03d}", seed=100 + number, windows=12, first_day=today - timedelta(days=12))
            sites.append(FakeSite(story, reports_of(story)))
        central = cls(sites, now)
        for site in sites:
            central.add_alerts(_detector_alerts(site))
        central.add_alerts([_silent_alert(sites[5], now)])
        taking_part = sorted(site.name for site in sites[:6])
        central.runs, central.keys = fake_federation.runs(taking_part, now), fake_federation.keys(taking_part, now)
        return central

    def add_alerts(self, alerts: list[AlertView]) -> None:
        """Let alerts stand as if a rule had raised them."""
        self.alerts |= {alert.alert_id: alert for alert in alerts}

    def client(self) -> httpx2.Client:
        """An HTTP client that reaches this centre without a socket."""
        return httpx2.Client(base_url="http://central", transport=httpx2.MockTransport(self._over_mock))

    def _over_mock(self, request: httpx2.Request) -> httpx2.Response:
        status, body, headers = self.answer(request.method, str(request.url), request.headers, request.read())
        return httpx2.Response(status, content=body, headers=headers)

    def answer(self, method: str, url: str, headers, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """One HTTP exchange."""
        parts = urlsplit(url)
        self.asked.append(f"{method} {parts.path}")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        path = [unquote(piece) for piece in parts.path.removeprefix("/api/v1").strip("/").split("/")]
        try:
            found = self._route(method, path, query, headers, body)
        except Refusal as refusal:
            problem = {"type": "about:blank", "title": "Refused", "status": refusal.status, "detail": refusal.detail}
            return refusal.status, json.dumps(problem).encode(), {"content-type": "application/problem+json"}
        if found is None:
            return 204, b"", {}
        content = _json(found)
        etag = f'"{sha256(content).hexdigest()[:20]}"'
        if headers.get("if-none-match") == etag:
            return 304, b"", {"etag": etag}
        return 200, content, {"content-type": "application/json", "etag": etag}

    def _route(self, method: str, path: list[str], query: dict[str, str], headers, body: bytes):
        if path == ["session"] and method == "POST":
            return self._sign_in(json.loads(body))
        actor = self.sessions.get(headers.get("authorization", "").removeprefix("Bearer "))
        if actor is None:
            raise Refusal(401, "A valid token is needed.")
        if self.broken is not None:
            raise Refusal(self.broken, "The database is away.")
        if path == ["session"]:
            self.sessions = {token: name for token, name in self.sessions.items() if name != actor}
            return None
        if path[0] == "sites":
            return self._sites(path[1:], query)
        if path[0] == "alerts":
            return self._alerts(path[1:], query, actor, body)
        if path[0] == "federation":
            return self._federation(path[1:], query)
        raise Refusal(404, "There is nothing here.")

    def _sign_in(self, asked: dict[str, str]) -> SessionToken:
        if PEOPLE.get(asked["username"]) != asked["password"]:
            raise Refusal(401, "The name or the password is wrong.")
        token = f"token-{len(self.sessions)}-{asked['username']}"
        self.sessions[token] = asked["username"]
        return SessionToken(token=token, actor=asked["username"], expires_at=self.now + timedelta(hours=12))

    def _open(self, site: str) -> int:
        return sum(a.site == site and a.state != "resolved" for a in self.alerts.values())

    def _sites(self, path: list[str], query: dict[str, str]):
        if not path:
            views = [site.overview(self._open(site.name), self.now) for site in self.sites]
            return self._page(views, query)
        site = next((s for s in self.sites if s.name == path[0]), None)
        if site is None:
            raise Refusal(404, "There is no such site.")
        if len(path) == 1:
            return site.detail(self._open(site.name), self.now)
        if path[1:] in (["metrics"], ["rates"], ["detectors"]):
            return {"metrics": site.metrics, "rates": site.rates, "detectors": site.detectors}[path[1]]()
        info = site.info(path[2])
        if info is None:
            raise Refusal(404, "This site has not reported such a quantity.")
        return (site.series if path[1] == "metrics" else site.drift)(info, query.get("stratum", "all"))

    def _alerts(self, path: list[str], query: dict[str, str], actor: str, body: bytes):
        if not path:
            chosen = [
                a for a in self.alerts.values()
                if query.get("state") in (None, a.state) and query.get("site") in (None, a.site)
            ]  # fmt: skip
            return self._page(sorted(chosen, key=lambda a: a.opened_at, reverse=True), query)
        alert = next((a for a in self.alerts.values() if str(a.alert_id) == path[0]), None)
        if alert is None:
            raise Refusal(404, "There is no such alert.")
        if len(path) == 1:
            return alert
        return self._change(alert, path[1], actor, AlertAction.model_validate_json(body).comment)

    def _federation(self, path: list[str], query: dict[str, str]):
        if path == ["sites"]:
            return self._page(self.keys, query)
        if path == ["runs"]:
            return self._page([run.overview for run in self.runs], query)
        found = next((run for run in self.runs if run.overview.run == path[1]), None)
        if found is None:
            raise Refusal(404, "There is no such run.")
        return found

    def _change(self, alert: AlertView, action: str, actor: str, comment: str) -> AlertView:
        to_state: AlertState = "acknowledged" if action == "acknowledge" else "resolved"
        if alert.state in ("resolved", to_state):
            raise Refusal(409, f"This alert is already {alert.state}.")
        change = TransitionView(at=self.now, actor=actor, from_state=alert.state, to_state=to_state, comment=comment)
        changed = alert.model_copy(
            update={
                "state": to_state, "owner": alert.owner or actor, "updated_at": self.now,
                "transitions": (*alert.transitions, change),
            }
        )  # fmt: skip
        self.alerts[alert.alert_id] = changed
        return changed

    def _page(self, items: list[BaseModel], query: dict[str, str]) -> dict[str, object]:
        start = int(query.get("cursor", "0"))
        end = start + int(query.get("limit", self.page_size))
        return {"items": items[start:end], "next_cursor": str(end) if end < len(items) else None}


def _json(found: object) -> bytes:
    def plain(value: object):
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else value

    if isinstance(found, dict):
        found = {**found, "items": [plain(item) for item in found["items"]]}
    elif isinstance(found, list):
        found = [plain(item) for item in found]
    return json.dumps(plain(found)).encode()


def asgi(central: FakeCentral):
    """The centre as an application that uvicorn can serve."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def exchange(request: Request) -> Response:
        status, body, headers = central.answer(request.method, str(request.url), request.headers, await request.body())
        return Response(body, status, headers)

    return Starlette(routes=[Route("/{path:path}", exchange, methods=["GET", "POST", "DELETE"])])


if __name__ == "__main__":
    import uvicorn

    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    extra = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    uvicorn.run(asgi(FakeCentral.with_federation(datetime.now(UTC), extra_sites=extra)), port=port, log_level="warning")
