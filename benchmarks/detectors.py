"""How often the change detectors page without a change, and how soon after one.

    python -m benchmarks.detectors            some 15 minutes on one core
    python -m benchmarks.detectors --quick    about a minute, fewer streams

False pages are compared with the promise E[pages] <= T / c; delays with 1.3 x n0 m / (m - n0), where n0 is the mean
delay of an oracle CUSUM that knows both distributions, at the same threshold, and m = baseline + stream before the
change. At m <= n0 that bound does not exist: no detector that must learn the baseline from m cases can do it.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from benchmarks import detector_simulation as simulation
from benchmarks.detector_simulation import PowerBets, RankStreams, delays, oracle_delay, rank_pages, rate_pages
from shared.statistics.betting import Shift, ShiftBets
from shared.statistics.detectors import accepted_rate
from shared.statistics.shiryaev_roberts import log_threshold

BASELINE_N = 200
DAYS = 365
DAILY = log_threshold(40_000, 365)
PER_CASE = log_threshold(40_000, 20 * 365)
SEED = 7

Make = Callable[[np.random.Generator, int, int], np.ndarray]


def null_streams() -> dict[str, Make]:
    """The streams without a change. Only the first two are exchangeable, so only they are promised anything."""
    return {
        "independent": simulation.iid,
        "with ties": simulation.with_ties,
        "weekends 0.8 SD": simulation.weekday_mix,
        "repeats 30 %": simulation.repeat_patients,
        "repeats, 1 a window": lambda rng, n, s: simulation.repeat_patients(rng, n, s, soonest=31),
        "seasonal 0.1 SD": lambda rng, n, s: simulation.seasonal(rng, n, s, 0.1),
        "seasonal 0.2 SD": lambda rng, n, s: simulation.seasonal(rng, n, s, 0.2),
        "seasonal 0.4 SD": lambda rng, n, s: simulation.seasonal(rng, n, s, 0.4),
    }


def print_false_pages(streams: int) -> None:
    """Pages of null streams at the production threshold and at two at which pages are seen."""
    steps = streams * DAYS
    thresholds = {"production": DAILY, "lower": np.log(steps / 50), "one a year": np.log(DAYS)}
    print(f"\nFalse pages in {streams} null streams x {DAYS} daily steps (baseline {BASELINE_N})")
    print(f"{'stream':24}" + "".join(f"{f'ln c = {h:.1f}':>14}" for h in thresholds.values()))
    print(f"{'bound T / c':24}" + "".join(f"{steps / np.exp(h):14.1f}" for h in thresholds.values()))
    for name, make in null_streams().items():
        values = make(np.random.default_rng(SEED), BASELINE_N + DAYS, streams)
        ranks = RankStreams.of(values, BASELINE_N)
        counts = [int(rank_pages(ranks, ShiftBets(), h).sum()) for h in thresholds.values()]
        print(f"{name:24}" + "".join(f"{count:14d}" for count in counts), flush=True)
    values = simulation.iid(np.random.default_rng(SEED), BASELINE_N + DAYS, streams)
    frozen = RankStreams.frozen(values, BASELINE_N)
    counts = [int(rank_pages(frozen, ShiftBets(), h).sum()) for h in thresholds.values()]
    print(f"{'frozen ranks (invalid)':24}" + "".join(f"{count:14d}" for count in counts), flush=True)


def print_false_pages_per_case(streams: int) -> None:
    """The same with 20 cases a day, where seasons and repeats have more cases to add up over."""
    steps = 20 * DAYS
    print(f"\nFalse pages in {streams} null streams x {steps} cases (20 a day, baseline {BASELINE_N}); bound at")
    lower = float(np.log(streams * steps / 50))
    print(f"ln c = {PER_CASE:.1f}: {streams * steps / np.exp(PER_CASE):.2f}, at ln c = {lower:.1f}: 50")
    cases: dict[str, Make] = {
        "independent": simulation.iid,
        "weekends 0.4 SD": lambda rng, n, s: simulation.weekday_mix(rng, n, s, 0.4, per_day=20),
        "weekends 0.8 SD": lambda rng, n, s: simulation.weekday_mix(rng, n, s, 0.8, per_day=20),
        "repeats 30 %": simulation.repeat_patients,
        "repeats, 1 a window": lambda rng, n, s: simulation.repeat_patients(rng, n, s, soonest=31),
        "seasonal 0.1 SD": lambda rng, n, s: simulation.seasonal(rng, n, s, 0.1, per_day=20),
        "seasonal 0.2 SD": lambda rng, n, s: simulation.seasonal(rng, n, s, 0.2, per_day=20),
    }
    for name, make in cases.items():
        ranks = RankStreams.of(make(np.random.default_rng(SEED), BASELINE_N + steps, streams), BASELINE_N)
        counts = [int(rank_pages(ranks, ShiftBets(), h).sum()) for h in (PER_CASE, lower)]
        print(f"{name:24}{counts[0]:8d}{counts[1]:8d}", flush=True)


def print_frozen_capital(streams: int) -> None:
    """How often one stake ever reaches 1 / 0.05 without a change."""
    print("\nOne stake, never renewed, ever worth 20 without a change (fair: at most 5 % of streams), 3,000 values")
    for baseline_n in (100, 200, 500):
        values = simulation.iid(np.random.default_rng(SEED), baseline_n + 3000, streams)
        for name, make in (("all earlier values", RankStreams.of), ("frozen (invalid)", RankStreams.frozen)):
            share = np.mean(simulation.highest_capital(make(values, baseline_n), PowerBets()) >= np.log(20))
            print(f"  baseline {baseline_n:4d}, ranked among {name:20} {share:6.1%}", flush=True)


def print_delays(streams: int) -> None:
    """Delays against the bound for several m, with the bets of the literature beside ours."""
    print("\nMean delay to a shift of all cases; ratio = 1.3 x mean delay / bound, reached up to 1.30;")
    print("+: streams without a page count with the horizon, so that the true mean is larger; their share is 'missed'")
    print(f"{'ln c':>5}{'shift':>7}{'n0':>7}{'baseline':>10}{'before':>8}{'bound':>8}{'delay':>9}{'ratio':>7}", end="")
    print(f"{'median':>8}{'missed':>8}{'reached':>9}   powers: delay, missed")
    layouts = ((100, 0), (150, 0), (200, 0), (100, 100), (500, 0), (200, 300), (1000, 0), (200, 800))
    for h in (DAILY, PER_CASE):
        for shift in (0.5, 1.0, 2.0):
            n0 = oracle_delay(shift, h, np.random.default_rng(SEED))
            for baseline_n, before in layouts:
                _print_delay(h, shift, n0, baseline_n, before, streams)


def _print_delay(h: float, shift: float, n0: float, baseline_n: int, before: int, streams: int) -> None:
    m = baseline_n + before
    head = f"{h:5.1f}{shift:7.1f}{n0:7.1f}{baseline_n:10d}{before:8d}"
    if m <= n0:
        print(f"{head}    no bound exists: m <= n0")
        return
    bound = 1.3 * n0 * m / (m - n0)
    horizon = int(min(np.ceil(6 * bound), 3000))
    rng = np.random.default_rng((SEED, int(10 * shift), m, before))
    values = simulation.iid(rng, m + horizon, streams)
    values[m:] += shift
    ranks = RankStreams.of(values, baseline_n)
    ours = delays(rank_pages(ranks, ShiftBets(), h, stop_after=before), before)
    mean = np.minimum(ours, horizon).mean()
    missed = np.isinf(ours).mean()
    reached = missed == 0 and mean <= bound
    print(f"{head}{bound:8.1f}{mean:8.1f}{'+' if missed else ' '}", end="")
    print(f"{1.3 * mean / bound:7.2f}{np.median(ours):8.0f}", end="")
    print(f"{missed:8.1%}{'yes' if reached else 'NO':>9}", end="")
    if baseline_n in (200, 1000) and before == 0:
        powers = delays(rank_pages(ranks, PowerBets(), h, stop_after=before), before)
        print(f"   {np.minimum(powers, horizon).mean():.1f}, {np.isinf(powers).mean():.1%}", end="")
    print(flush=True)


def print_partial_delays(streams: int) -> None:
    """A scanner of several changes: only some cases move."""
    whole = ShiftBets(_without_parts())
    print(f"\nMean delay where only a part of the cases moves (ln c = {PER_CASE:.1f}, horizon 1,500)")
    for size, part in ((2.0, 0.3), (3.0, 0.2), (3.0, 0.1)):
        for m in (200, 1000):
            rng = np.random.default_rng((SEED, m))
            values = simulation.iid(rng, m + 1500, streams)
            values[m:] += size * (rng.random((1500, streams)) < part)
            ranks = RankStreams.of(values, m)
            told = []
            for name, bets in (("shipped", ShiftBets()), ("without partial bets", whole), ("powers", PowerBets())):
                late = delays(rank_pages(ranks, bets, PER_CASE, stop_after=0), 0)
                told.append(f"{name} {np.minimum(late, 1500).mean():.0f} (missed {np.isinf(late).mean():.0%})")
            print(f"  {part:.0%} of cases by {size:g} SD, m = {m:4d}: " + ", ".join(told), flush=True)


def _without_parts() -> list[Shift]:
    whole = [shift for shift in ShiftBets().shifts if shift.fraction == 1]
    total = sum(shift.weight for shift in whole)
    return [Shift(shift.size, 1.0, shift.weight / total) for shift in whole]


_RATE_STEPS = 2000


def print_rates(streams: int) -> None:
    """Rate detectors whose accepted rate comes from a baseline of their own; then nothing changes, or the rate rises.

    Beside them a rank detector on the same events, which compares with the baseline itself instead of with a bound.
    """
    print(
        f"\nRate detectors, {streams} streams each with its own baseline x {_RATE_STEPS} cases, ln c = {PER_CASE:.1f}"
    )
    print("streams that paged and median delay; (rank): a rank detector fed with the same events")
    for baseline_n in (100, 500):
        for before in (0.05, 0.2):
            for after in (before, 2 * before, 4 * before):
                _print_rate(baseline_n, before, after, streams)


def _print_rate(baseline_n: int, before: float, after: float, streams: int) -> None:
    rng = np.random.default_rng((SEED, baseline_n, int(100 * before)))
    chance = np.repeat([before, after], [baseline_n, _RATE_STEPS])
    events = rng.random((baseline_n + _RATE_STEPS, streams)) < chance[:, None]
    seen = events[:baseline_n].sum(axis=0)
    late = np.empty(streams)
    for k in np.unique(seen):
        pages = rate_pages(events[baseline_n:, seen == k], accepted_rate(int(k), baseline_n), PER_CASE)
        late[seen == k] = delays(pages, 0)
    ranks = RankStreams.of(events.astype(np.float64), baseline_n)
    by_rank = delays(rank_pages(ranks, ShiftBets(), PER_CASE), 0)
    print(
        f"  baseline {baseline_n}, {before:4.0%} -> {after:4.0%}: {_told(late)}   (rank) {_told(by_rank)}", flush=True
    )


def _told(delay: np.ndarray) -> str:
    median = np.median(delay)
    return f"{np.isfinite(delay).mean():6.1%}, {'none' if np.isinf(median) else f'{median:.0f} cases'}"


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer streams")
    parser.add_argument("--only", choices=("null", "per-case", "frozen", "delay", "partial", "rate"))
    asked = parser.parse_args()
    tables: dict[str, tuple[Callable[[int], None], int, int]] = {
        "null": (print_false_pages, 1000, 100),
        "per-case": (print_false_pages_per_case, 100, 4),
        "frozen": (print_frozen_capital, 400, 50),
        "delay": (print_delays, 400, 20),
        "partial": (print_partial_delays, 100, 10),
        "rate": (print_rates, 200, 20),
    }
    for name, (table, full, quick) in tables.items():
        if asked.only in (None, name):
            started = time.monotonic()
            table(quick if asked.quick else full)
            print(f"[{time.monotonic() - started:.0f} s]", flush=True)


if __name__ == "__main__":
    main()
