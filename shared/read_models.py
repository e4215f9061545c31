"""What the REST API of the centre answers: the dashboard and other programs read these and nothing else.

Every model is frozen. Times are aware UTC. Where a number can be missing, a status says which of the five answers it
is: `ok`, `insufficient_data`, `suppressed`, `withheld` or `missing`; none of them is ever written as 0.
"""

from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.quantities import Direction
from shared.report import (
    Count,
    CountBand,
    DetectorState,
    FlagQuality,
    Funnel,
    Interval,
    PrivacyStatement,
    Versions,
    Window,
    Wire,
    WireHistogram,
)

T = TypeVar("T")

Answer = Literal["ok", "insufficient_data", "suppressed", "withheld", "missing"]
SiteState = Literal["alert", "silent", "outdated", "no_scans", "suppressed", "warming_up", "ok", "never_seen"]
AlertState = Literal["firing", "acknowledged", "resolved"]
Severity = Literal["critical", "warning", "info"]


class RateView(Wire):
    """One of the three rates, by its name; never one for another.

    `flagged_rate` is what the quality model predicts, with a sampling interval only; `reviewed_failure_rate` is what
    readers saw; `estimated_failure_rate` is prediction-powered.
    """

    name: Literal["flagged_rate", "reviewed_failure_rate", "estimated_failure_rate"]
    answer: Answer
    interval: Interval | None
    count: CountBand | None
    out_of: Count | None
    flag_quality: FlagQuality | None = None


class BaselineView(Wire):
    """The frozen site baseline that drift is compared with."""

    version: Count
    patient_count: Count
    case_count: Count
    window: Window


class SiteOverview(Wire):
    """One row of the overview; `action_rank` sorts: smaller needs a person sooner.

    `baseline` is the one in force now; None while the site collects one.
    """

    site: str
    title: str
    state: SiteState
    action: str
    action_rank: int
    last_seen_at: AwareDatetime | None
    last_report_at: AwareDatetime | None
    open_alert_count: Count
    versions: Versions | None
    baseline: BaselineView | None
    latest_window: Window | None
    latest_patient_count: Count | None
    flagged_rate: RateView


class SiteDetail(Wire):
    """A site with what its last report said about itself."""

    overview: SiteOverview
    privacy: PrivacyStatement | None
    funnel: Funnel | None
    report_count: Count
    suppressed_count: Count
    rates: tuple[RateView, ...]


class MetricInfo(Wire):
    """A quantity that a site has reported."""

    name: str
    label: str
    unit: str
    direction: Direction
    version: int


class Quantiles(Wire):
    """10th, 50th and 90th percentile read off a histogram by interpolation; an open end is told at its cut."""

    p10: float
    p50: float
    p90: float


class MetricPoint(Wire):
    """One quantity in one window.

    `baseline_version` is the baseline that the window is compared with; None where it had none: while the site
    collects one, and where no report came. In a baseline's own point it is its version.
    """

    report_id: UUID
    window: Window
    answer: Answer
    n: Count | None
    undefined: CountBand | None
    histogram: WireHistogram | None
    quantiles: Quantiles | None
    baseline_version: Count | None = None


class MetricSeries(Wire):
    """One quantity over time, beside the site's own baselines.

    `baseline` is the one in force now; None while the site collects its first, and again under a new model until the
    next is frozen. `baselines` holds it and every one that a point names by `baseline_version`, by version; a point
    may name one that the centre never received.
    """

    site: str
    metric: MetricInfo
    stratum: str
    baseline: MetricPoint | None
    points: tuple[MetricPoint, ...]
    baselines: tuple[MetricPoint, ...] = ()


class DriftStatistic(Wire):
    """A distance from the baseline, and where it lies by chance alone at this n (two-sample multinomial).

    Shown, never paging. `null_median` and `null_high` are the 50th and 97.5th percentile without any drift.
    """

    name: Literal["jensen_shannon", "wasserstein", "psi"]
    unit: str
    value: float
    null_median: float
    null_high: float
    note: str


class DriftPoint(Wire):
    """Drift of one quantity in one window against the baseline in force at that time."""

    window: Window
    answer: Answer
    n: Count | None
    baseline_n: Count | None
    statistics: tuple[DriftStatistic, ...]


class DriftSeries(Wire):
    """Drift of one quantity over time."""

    site: str
    metric: MetricInfo
    stratum: str
    points: tuple[DriftPoint, ...]


class RatePoint(Wire):
    """The rates of one window."""

    window: Window
    rates: tuple[RateView, ...]


class RateSeries(Wire):
    """The rates over time, with the flagged rate of the baseline in force now; None while there is none."""

    site: str
    baseline_flagged_rate: RateView | None
    points: tuple[RatePoint, ...]


class DetectorPoint(Wire):
    """A detector at the end of one window."""

    window: Window
    state: DetectorState


class DetectorSeries(Wire):
    """One detector over time; it pages where the statistic crosses its threshold."""

    site: str
    metric: str
    label: str
    alternative: Literal["greater", "less"]
    log_threshold: float
    points: tuple[DetectorPoint, ...]


class Effect(Wire):
    """How large a change is: `estimate` with its 95 % interval."""

    name: Annotated[str, Field(max_length=80)]
    estimate: float
    low: float
    high: float
    unit: str


class Evidence(Wire):
    """Why an alert fired. Fields that the rule does not have are None, never 0."""

    n: Count | None
    baseline_n: Count | None
    effect: Effect | None
    statistic_name: str
    statistic: float | None
    threshold: float | None
    since: AwareDatetime | None
    sentence: str


class TransitionView(Wire):
    """A change of an alert's state, by whom and why."""

    at: AwareDatetime
    actor: str
    from_state: AlertState | None
    to_state: AlertState
    comment: str


class AlertView(Wire):
    """An alert as people and programs see it."""

    alert_id: UUID
    site: str
    rule: str
    severity: Severity
    title: str
    metric: str | None
    stratum: str
    state: AlertState
    opened_at: AwareDatetime
    updated_at: AwareDatetime
    owner: str | None
    evidence: Evidence
    next_step: str
    transitions: tuple[TransitionView, ...]


class Page(Wire, Generic[T]):
    """A slice of a list; `next_cursor` asks for the following one, None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None


class ReportRow(Wire):
    """A report as the centre stored it, to hold against the site's own ledger."""

    report_id: UUID
    site: str
    kind: Literal["window", "baseline"]
    status: Literal["released", "suppressed"]
    stratum: str
    window: Window
    revision: Count
    received_at: AwareDatetime
    sha256: str


class SignIn(Wire):
    """The lead's name and password, exchanged for a token."""

    username: Annotated[str, Field(min_length=1, max_length=80)]
    password: Annotated[str, Field(min_length=1, max_length=200)]


class SessionToken(Wire):
    """A bearer token of one person, and until when it is good."""

    token: str
    actor: str
    expires_at: AwareDatetime


class AlertAction(Wire):
    """What a person says when acknowledging or resolving."""

    comment: Annotated[str, Field(max_length=1000)] = ""


class AuditLine(Wire):
    """Who did what, when, to what."""

    at: AwareDatetime
    actor: str
    action: str
    subject: str


class Problem(Wire):
    """RFC 9457 problem details; never echoes what was sent."""

    type: str
    title: str
    status: int
    detail: str
