"""Quantities of made-up cases: how each behaves, the cases of one window or baseline, and detectors over them."""

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shared.quantities import Direction, Quantity, count_cuts, geometric_cuts, linear_cuts
from shared.report import DetectorState, Window

LOG_THRESHOLD = 17.0


@dataclass(frozen=True)
class Stream:
    """How one quantity behaves: Gaussian, on its own or a log scale; `shift_sign` says which way is worse."""

    quantity: Quantity
    mean: float
    sd: float
    logarithmic: bool = False
    needs_a_mask: bool = False
    shift_sign: int = 1

    def draw(self, count: int, shift_sd: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Values inside the range, and their z scores under the unshifted law."""
        z = random.standard_normal(count) + self.shift_sign * shift_sd
        values = self.mean + self.sd * z
        values = np.power(10.0, values) if self.logarithmic else values
        return np.clip(values, self.quantity.low, self.quantity.high), z


def _quantity(
    name: str, unit: str, direction: Direction, span: tuple[float, float], cuts: tuple[float, ...], *, label: str
) -> Quantity:
    return Quantity(name, unit, direction, *span, 1, cuts, label)


STREAMS = (
    Stream(
        _quantity("predicted_dice", "Dice", "higher_is_better", (0, 1), linear_cuts(0, 1), label="Predicted Dice"),
        0.80, 0.06, needs_a_mask=True, shift_sign=-1,
    ),
    Stream(
        _quantity(
            "mahalanobis_log10", "log10", "higher_is_worse", (-3, 6), linear_cuts(-1, 2), label="Distance to training",
        ),
        0.05, 0.12,
    ),
    Stream(
        _quantity("mean_entropy", "nats", "higher_is_worse", (0, 0.7), linear_cuts(0, 0.2), label="Mean entropy"),
        0.05, 0.01,
    ),
    Stream(
        _quantity(
            "soft_dice_confidence", "1 - Dice", "higher_is_worse", (0, 1), linear_cuts(0, 1), label="Soft Dice doubt",
        ),
        0.15, 0.05, needs_a_mask=True,
    ),
    Stream(
        _quantity("lesion_volume_ml", "ml", "neither", (0, 6000), geometric_cuts(0.05, 2000), label="Lesion volume"),
        1.2, 0.5, logarithmic=True, needs_a_mask=True, shift_sign=0,
    ),
    Stream(
        _quantity("smoothness_5mm", "Dice", "higher_is_better", (0, 1), linear_cuts(0, 1), label="Smoothness at 5 mm"),
        0.72, 0.07, needs_a_mask=True, shift_sign=-1,
    ),
    Stream(
        _quantity("component_count", "count", "neither", (0, 10000), count_cuts(200), label="Components"),
        0.6, 0.25, logarithmic=True, shift_sign=0,
    ),
)  # fmt: skip


@dataclass
class Cases:
    """Drawn cases of one window or of a whole baseline; `values[name]` holds NaN where undefined."""

    values: dict[str, np.ndarray]
    z: dict[str, np.ndarray]
    empty: np.ndarray
    flagged: np.ndarray
    outside_model: np.ndarray

    @property
    def count(self) -> int:
        return len(self.empty)

    def only(self, chosen: np.ndarray) -> "Cases":
        def take(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: array[chosen] for name, array in arrays.items()}

        return Cases(
            take(self.values), take(self.z), self.empty[chosen], self.flagged[chosen], self.outside_model[chosen]
        )


def joined(parts: list[Cases]) -> Cases:
    def join(which: str) -> dict[str, np.ndarray]:
        return {s.quantity.name: np.concatenate([getattr(p, which)[s.quantity.name] for p in parts]) for s in STREAMS}

    return Cases(
        join("values"),
        join("z"),
        np.concatenate([p.empty for p in parts]),
        np.concatenate([p.flagged for p in parts]),
        np.concatenate([p.outside_model for p in parts]),
    )


class Detector:
    """A Shiryaev-Roberts statistic on one stream, with one bet per z score: enough to look alive."""

    def __init__(self, metric: str, label: str, kind: str, alternative: str, baseline_n: int) -> None:
        self.metric, self.label, self.kind, self.alternative = metric, label, kind, alternative
        self.baseline_n, self.stream_n, self.log_r, self.highest = baseline_n, 0, 0.0, 0.0
        self.pages_total = 0
        self.since: datetime | None = None

    def feed(self, scores: np.ndarray, window: Window) -> DetectorState:
        pages = 0
        self.highest = self.log_r
        for score in scores:
            self.log_r = math.log1p(math.exp(self.log_r)) + 0.8 * float(np.clip(score, -3, 3)) - 0.32
            self.stream_n += 1
            self.since = None if self.log_r < 3 else (self.since or window.start_at)
            self.highest = max(self.highest, self.log_r)
            if self.log_r >= LOG_THRESHOLD:
                pages, self.log_r = pages + 1, 0.0
        self.pages_total += pages
        return self._state(pages)

    def _state(self, pages: int) -> DetectorState:
        return DetectorState(
            metric=self.metric,
            label=self.label,
            kind=self.kind,
            alternative=self.alternative,
            version=1,
            baseline_n=self.baseline_n,
            stream_n=self.stream_n,
            log_statistic=round(max(self.log_r, -5.0), 1),
            highest_log_statistic=round(min(self.highest, LOG_THRESHOLD + 3), 1),
            log_threshold=LOG_THRESHOLD,
            pages_in_window=pages,
            pages_total=self.pages_total,
            evidence_since=self.since,
        )
