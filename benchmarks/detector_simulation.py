"""Many streams at once through the real bets and the real evidence of `shared.statistics`.

Used by `benchmarks/detectors.py` and by the tests. Arrays are (T, N): T values of each of N streams after a baseline
of m values; everything random comes from the generator that is handed in.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.statistics.betting import RateBets
from shared.statistics.ranks import Ranks
from shared.statistics.shiryaev_roberts import Evidence

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Bets(Protocol):
    """What `ShiftBets` offers."""

    weights: FloatArray

    def payout(self, low: FloatArray, high: FloatArray, share: FloatArray) -> FloatArray: ...


class PowerBets:
    """The family of the literature, for comparison: a mixture over powers, C(p) = p^kappa with kappa below 1."""

    def __init__(self, kappas: tuple[float, ...] = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9)) -> None:
        self.kappas = np.array(kappas)
        self.weights = np.full(len(kappas), 1 / len(kappas))

    def payout(self, low: FloatArray, high: FloatArray, share: FloatArray) -> FloatArray:  # noqa: ARG002
        """(1, K, N) payouts; the share of the pool that came after the change is not used."""
        kappa = self.kappas.reshape(1, -1, 1)
        return (high**kappa - low**kappa) / (high - low)


@dataclass(frozen=True)
class RankStreams:
    """Rank intervals of N streams, (T, N), ranked among m baseline values and all earlier stream values."""

    low: FloatArray
    high: FloatArray
    baseline_n: int

    @classmethod
    def of(cls, values: FloatArray, baseline_n: int) -> "RankStreams":
        """From values (m + T, N); higher is worse."""
        low, high = np.empty(values[baseline_n:].shape), np.empty(values[baseline_n:].shape)
        for i in range(values.shape[1]):
            ranks = Ranks(values[:baseline_n, i])
            for t, value in enumerate(values[baseline_n:, i].tolist()):
                place = ranks.append(value)
                low[t, i], high[t, i] = place.low, place.high
        return cls(low, high, baseline_n)

    @classmethod
    def frozen(cls, values: FloatArray, baseline_n: int) -> "RankStreams":
        """The **invalid** variant: every value ranked among the frozen baseline alone."""
        baseline, stream = np.sort(values[:baseline_n], axis=0), values[baseline_n:]
        low, high = np.empty(stream.shape), np.empty(stream.shape)
        for i in range(stream.shape[1]):
            not_above = np.searchsorted(baseline[:, i], stream[:, i], side="right")
            below = np.searchsorted(baseline[:, i], stream[:, i], side="left")
            low[:, i] = (baseline_n - not_above) / (baseline_n + 1)
            high[:, i] = (baseline_n - below + 1) / (baseline_n + 1)
        return cls(low, high, baseline_n)


def rank_pages(streams: RankStreams, bets: Bets, log_threshold: float, *, stop_after: int | None = None) -> BoolArray:
    """(T, N) whether each stream paged at each step, with a fresh start after each page.

    Args:
        streams: ranks.
        bets: the family.
        log_threshold: ln c.
        stop_after: end early once every stream has paged at or after this step; the rest stays False.
    """
    steps, count = streams.low.shape
    evidence = Evidence(bets.weights, (count,))
    pages = np.zeros((steps, count), dtype=bool)
    for t in range(steps):
        evidence.open()
        share = (t - evidence.mean_start) / (streams.baseline_n + t)
        evidence.multiply(bets.payout(streams.low[t], streams.high[t], share))
        pages[t] = evidence.log_total >= log_threshold
        evidence.restart(pages[t])
        if stop_after is not None and t >= stop_after and pages[stop_after : t + 1].any(axis=0).all():
            break
    return pages


def rate_pages(events: BoolArray, accepted_rate: float, log_threshold: float) -> BoolArray:
    """(T, N) pages of rate detectors on event indicators (T, N)."""
    bets = RateBets(accepted_rate)
    evidence = Evidence(bets.weights, (events.shape[1],))
    pages = np.zeros(events.shape, dtype=bool)
    for t, happened in enumerate(events):
        evidence.open()
        evidence.multiply(bets.payout(happened))
        pages[t] = evidence.log_total >= log_threshold
        evidence.restart(pages[t])
    return pages


def highest_capital(streams: RankStreams, bets: Bets) -> FloatArray:
    """(N,) ln of the most that one stake at the start, never renewed, was ever worth.

    While the bets are fair this exceeds ln(1 / alpha) in at most a fraction alpha of streams (Ville's inequality).
    """
    capital = np.repeat(bets.weights[None, :, None], streams.low.shape[1], axis=2)
    highest = np.full(streams.low.shape[1], -np.inf)
    for t in range(streams.low.shape[0]):
        capital = capital * bets.payout(streams.low[t], streams.high[t], np.zeros(1))
        highest = np.maximum(highest, np.log(np.maximum(capital.sum(axis=(0, 1)), 1e-300)))
    return highest


def oracle_delay(shift: float, log_threshold: float, rng: np.random.Generator, streams: int = 4000) -> float:
    """Mean delay of a CUSUM that knows both distributions, N(0, 1) before and N(shift, 1) after, at this threshold."""
    statistic, delay = np.zeros(streams), np.zeros(streams)
    waiting = np.ones(streams, dtype=bool)
    while waiting.any():
        delay[waiting] += 1
        gain = shift * (rng.standard_normal(streams) + shift) - shift**2 / 2
        statistic = np.maximum(statistic, 0.0) + gain
        waiting &= statistic < log_threshold
    return float(delay.mean())


def delays(pages: BoolArray, change_at: int) -> FloatArray:
    """(N,) values from the change up to and including the first page after it; infinite where none came."""
    after = pages[change_at:]
    return np.where(after.any(axis=0), after.argmax(axis=0) + 1.0, np.inf)


def iid(rng: np.random.Generator, length: int, streams: int) -> FloatArray:
    """Independent standard normal values (length, streams)."""
    return rng.standard_normal((length, streams))


def with_ties(rng: np.random.Generator, length: int, streams: int) -> FloatArray:
    """Component counts: 40 % of the cases have none, the others a few."""
    return np.where(rng.random((length, streams)) < 0.4, 0, rng.geometric(0.35, (length, streams))).astype(np.float64)


def weekday_mix(
    rng: np.random.Generator, length: int, streams: int, weekend: float = 0.8, per_day: int = 1
) -> FloatArray:
    """Weekends bring emergencies: so many SD higher on two days of seven."""
    is_weekend = (np.arange(length) // per_day) % 7 >= 5
    return iid(rng, length, streams) + weekend * is_weekend[:, None]


def seasonal(
    rng: np.random.Generator, length: int, streams: int, amplitude: float = 0.1, per_day: int = 1
) -> FloatArray:
    """A wave of one year, starting at a random day."""
    day = np.arange(length)[:, None] / per_day + rng.uniform(0, 365, streams)[None, :]
    return iid(rng, length, streams) + amplitude * np.sin(2 * np.pi * day / 365)


def repeat_patients(
    rng: np.random.Generator, length: int, streams: int, soonest: int = 1, fraction: float = 0.3
) -> FloatArray:
    """A fraction of the cases are follow-ups, correlated by 0.8 with one of 30 earlier cases.

    `soonest` is how many cases lie between at least: 1 where nothing is done about repeats, 31 where a window of 30
    cases takes each patient once.
    """
    correlation = 0.8
    fresh, values = iid(rng, length, streams), iid(rng, length, streams)
    follows = rng.random((length, streams)) < fraction
    back = rng.integers(soonest, soonest + 30, (length, streams))
    column = np.arange(streams)
    for t in range(length):
        earlier = values[np.maximum(t - back[t], 0), column]
        repeated = correlation * earlier + np.sqrt(1 - correlation**2) * fresh[t]
        values[t] = np.where(follows[t] & (t >= back[t]), repeated, values[t])
    return values
