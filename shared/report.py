"""Wire model v1: the only thing that travels from a hospital to the centre.

A `SiteReport` holds aggregates over one window of one stratum at one site, or over the cases that make up the site's
frozen baseline. It never holds a value of a single case, an identifier, a date of an examination or free text:
every string is a name from a fixed catalogue or a version. Unknown fields are refused on both ends.

Five different answers are kept apart: a number; "undefined" (the case cannot have the value); "withheld" (publishing
it would reveal a small count); "suppressed" (too few patients in the window); and silence (no report at all).
"""

from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from shared.quantities import Direction
from shared.summaries import Histogram

SCHEMA_VERSION: Final = 1
REPORT_NAMESPACE = UUID("5e97a7c4-0b1e-4d6e-9a51-9d1d3b6e7a01")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
SiteName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
Label = Annotated[str, Field(max_length=80)]
Count = Annotated[int, Field(ge=0)]
Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]

WithheldReason = Literal["would_reveal_a_small_count"]
Stratum = Annotated[str, Field(pattern=r"^(all|[a-z_]{1,32}=[a-z0-9_.-]{1,32})$")]
"""`all`, or one attribute of the fixed catalogue and its value, e.g. `manufacturer=siemens`."""


class Wire(BaseModel):
    """Base of everything on the wire: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(Wire):
    """A half-open span of time [start_at, end_at), in UTC, with its number at the site."""

    index: Count
    start_at: AwareDatetime
    end_at: AwareDatetime

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start_at >= self.end_at:
            raise ValueError("A window ends after it starts.")
        return self


class CountBand(Wire):
    """A count that is either exact (low == high) or known only to lie between two ends, both included."""

    low: Count
    high: Count

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError("The lower end of a count lies above its upper end.")
        return self

    @classmethod
    def exactly(cls, count: int) -> Self:
        """A count that may be told as it is."""
        return cls(low=count, high=count)

    @property
    def exact(self) -> bool:
        """Whether the count is known as it is."""
        return self.low == self.high


class WireHistogram(Wire):
    """A `shared.summaries.Histogram` on the wire."""

    cuts: tuple[FiniteFloat, ...]
    counts: tuple[Count, ...]

    @model_validator(mode="after")
    def _is_a_histogram(self) -> Self:
        self.unwrap()
        return self

    @classmethod
    def wrap(cls, histogram: Histogram) -> Self:
        """From the numeric form."""
        return cls(cuts=histogram.cuts, counts=histogram.counts)

    def unwrap(self) -> Histogram:
        """To the numeric form."""
        return Histogram(self.cuts, self.counts)


class MetricSummary(Wire):
    """One quantity over the cases of a window; describes itself, so that the server needs no catalogue.

    Either `histogram` is given, or `withheld` says why it is not. `undefined` counts the cases that cannot have the
    value (the smoothness of an empty mask).
    """

    name: Name
    label: Label
    unit: Annotated[str, Field(max_length=24)]
    direction: Direction
    version: Annotated[int, Field(ge=1)]
    histogram: WireHistogram | None
    undefined: CountBand | None
    withheld: WithheldReason | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.histogram is None) == (self.withheld is None):
            raise ValueError("A summary has either a histogram or the reason why it is withheld.")
        return self


class EventSummary(Wire):
    """How often something happened among `out_of` cases: flagged, empty_mask, outside_lungs, ...

    `out_of` are the cases of which it is known. An event is left out where their number would reveal a small count.
    """

    name: Name
    label: Label
    count: CountBand
    out_of: Count

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.count.low > self.out_of:
            raise ValueError("More events than cases.")
        return self


class Funnel(Wire):
    """What became of the series that arrived in the window."""

    received: CountBand
    refused: CountBand
    failed: CountBand
    scored: CountBand
    refused_by_reason: dict[Name, CountBand] = Field(default_factory=dict)


class DetectorState(Wire):
    """Where one change detector of the site stands at the end of the window.

    The statistic is on a natural-log scale, cumulative over the site's stream, bounded and rounded to 0.1, so that
    no single case can be read from it. `metric` names a quantity or an event; the statistic of an event's rate is
    computed from the counts that the site's reports tell, and adds nothing to them.
    """

    metric: Name
    label: Label
    kind: Literal["rank", "rate"]
    alternative: Literal["greater", "less"]
    version: Annotated[int, Field(ge=1)]
    baseline_n: Count
    stream_n: Count
    log_statistic: FiniteFloat
    highest_log_statistic: FiniteFloat
    log_threshold: FiniteFloat
    pages_in_window: Count
    pages_total: Count
    evidence_since: AwareDatetime | None


class Interval(Wire):
    """A proportion with an interval; `method` names how it was made."""

    estimate: Probability
    low: Probability
    high: Probability
    method: Label


class FlagQuality(Wire):
    """How well the flag finds failures, where that was measured, and on what."""

    sensitivity: Interval
    specificity: Interval
    measured_on: Label


class ReviewSummary(Wire):
    """What readers said of cases drawn at random for review, cumulative since the baseline was frozen.

    `estimated` is the prediction-powered failure rate; None stands for insufficient data.
    """

    reviewed_n: Count
    failed: CountBand
    estimated: Interval | None


class Versions(Wire):
    """What made these numbers; numbers of different versions are not compared."""

    agent: Version
    backend: Name
    model: Version
    model_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$|^none$")]
    quality_model: Version
    baseline: Count | None
    edges: Annotated[int, Field(ge=1)]


class PrivacyStatement(Wire):
    """The site's own rule under which this report was released."""

    k: Annotated[int, Field(ge=1)]
    exact_event_counts: bool
    policy: Version


class SiteReport(Wire):
    """One window (or one frozen baseline) of one stratum at one site.

    A suppressed report says only that the window passed with too few patients: it holds no number at all.
    `late_count` counts cases that belong to an earlier, already released window.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    report_id: UUID
    site: SiteName
    kind: Literal["window", "baseline"]
    window: Window
    revision: Count
    stratum: Stratum
    status: Literal["released", "suppressed"]
    created_at: AwareDatetime
    versions: Versions
    privacy: PrivacyStatement
    patient_count: Count | None
    case_count: Count | None
    late_count: CountBand | None
    funnel: Funnel | None
    metrics: tuple[MetricSummary, ...] = ()
    events: tuple[EventSummary, ...] = ()
    detectors: tuple[DetectorState, ...] = ()
    flag_quality: FlagQuality | None = None
    reviews: ReviewSummary | None = None

    @model_validator(mode="after")
    def _says_what_it_may(self) -> Self:
        if self.report_id != report_id_for(
            self.site, self.kind, self.window.index, self.stratum, self.revision, self.versions.baseline
        ):
            raise ValueError("The report's id does not belong to its site, window, stratum and revision.")
        numbers = (self.patient_count, self.case_count, self.late_count, self.funnel, self.reviews)
        if self.status == "suppressed":
            if any(number is not None for number in numbers) or self.metrics or self.events or self.detectors:
                raise ValueError("A suppressed report holds no numbers.")
        elif self.patient_count is None or self.case_count is None:
            raise ValueError("A released report says how many patients and cases it covers.")
        elif self.patient_count < self.privacy.k:
            raise ValueError("A released report covers at least k distinct patients.")
        return self


def report_id_for(
    site: str, kind: str, window_index: int, stratum: str, revision: int, baseline_version: int | None
) -> UUID:
    """The id under which a report is sent; sending it again is harmless because it is always the same."""
    baseline = "-" if baseline_version is None or kind == "window" else str(baseline_version)
    return uuid5(REPORT_NAMESPACE, f"{site}/{kind}/{window_index}/{stratum}/{revision}/{baseline}")


class ReportReceipt(Wire):
    """What the centre answers to a report: the hash of exactly the bytes it stored."""

    report_id: UUID
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    received_at: AwareDatetime


class AgentView(Wire):
    """What the centre answers when an agent checks in; the call itself is the site's sign of life."""

    site: SiteName
    server_time: datetime
    last_report_at: AwareDatetime | None
