"""Exact counts over cases. They add, and they never leave the site as they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hospital_agent.reporting.events import Event
from shared.quantities import Quantity
from shared.summaries import Histogram


@dataclass(frozen=True)
class MetricTally:
    """One quantity: its values on the finest edges, and how many cases cannot have it."""

    histogram: Histogram
    undefined: int

    def __add__(self, other: "MetricTally") -> "MetricTally":
        return MetricTally(self.histogram + other.histogram, self.undefined + other.undefined)


@dataclass(frozen=True)
class EventTally:
    """One event: to how many cases it happened, among how many of which that is known."""

    happened: int
    known: int

    def __add__(self, other: "EventTally") -> "EventTally":
        return EventTally(self.happened + other.happened, self.known + other.known)


@dataclass(frozen=True)
class Tally:
    """Counts over the cases of a window, or of several.

    Args:
        case_count: one case a patient and window.
        patients: pseudonyms of the distinct patients.
        late_count: cases that belong to an earlier, released window.
        metrics, events: by name.
    """

    case_count: int
    patients: frozenset[str] = field(repr=False)
    late_count: int
    metrics: Mapping[str, MetricTally]
    events: Mapping[str, EventTally]

    @classmethod
    def zero(cls, quantities: Iterable[Quantity], events: Iterable[Event]) -> "Tally":
        """The neutral element of addition."""
        return cls(
            case_count=0,
            patients=frozenset(),
            late_count=0,
            metrics={quantity.name: MetricTally(Histogram.zero(quantity.cuts), 0) for quantity in quantities},
            events={event.name: EventTally(0, 0) for event in events},
        )

    @property
    def patient_count(self) -> int:
        """How many distinct patients."""
        return len(self.patients)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            case_count=self.case_count + other.case_count,
            patients=self.patients | other.patients,
            late_count=self.late_count + other.late_count,
            metrics={name: metric + other.metrics[name] for name, metric in self.metrics.items()},
            events={name: count + other.events[name] for name, count in self.events.items()},
        )
