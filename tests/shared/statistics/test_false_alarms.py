"""How often the detectors page without a change, and how soon after one: small versions of benchmarks/detectors.py."""

import numpy as np
import pytest

from benchmarks import detector_simulation as simulation
from benchmarks.detector_simulation import PowerBets, RankStreams, delays, oracle_delay, rank_pages, rate_pages
from shared.statistics.betting import ShiftBets
from shared.statistics.shiryaev_roberts import log_threshold

STREAMS, STEPS, BASELINE = 200, 150, 100
ONE_PAGE_IN = 300  # steps: a threshold so low that a null run expects up to 100 pages, and the check can fail


def null_pages(make, ranked=RankStreams.of, **options):
    values = make(np.random.default_rng(11), BASELINE + STEPS, STREAMS, **options)
    return rank_pages(ranked(values, BASELINE), ShiftBets(), np.log(ONE_PAGE_IN)).sum()


@pytest.mark.parametrize("make", [simulation.iid, simulation.with_ties])
def test_pages_of_unchanged_streams_keep_the_promise(make):
    bound = STREAMS * STEPS / ONE_PAGE_IN
    pages = null_pages(make)
    assert pages <= bound
    assert pages > bound / 10  # the run is long enough to have failed


def test_weekday_mix_keeps_the_promise():
    """A baseline of whole weeks holds every weekday: the mix is no exchangeable stream, but it is no drift either."""
    assert null_pages(simulation.weekday_mix) <= STREAMS * STEPS / ONE_PAGE_IN


def test_frozen_ranks_break_the_promise():
    """Why the stream joins the ranks: an unlucky baseline is an unlucky baseline for ever."""
    values = simulation.iid(np.random.default_rng(12), 30 + 300, STREAMS)
    bound = STREAMS * 300 / 1000
    for ranked, least, most in ((RankStreams.of, 0, bound), (RankStreams.frozen, 2 * bound, np.inf)):
        assert least <= rank_pages(ranked(values, 30), ShiftBets(), np.log(1000)).sum() <= most


def test_frozen_ranks_exceed_alpha_and_growing_ranks_do_not():
    """One stake, never renewed, may ever be worth 20 in at most 5 % of unchanged streams."""
    values = simulation.iid(np.random.default_rng(12), 50 + 1200, STREAMS)
    crossed = {
        ranked.__name__: np.mean(simulation.highest_capital(ranked(values, 50), PowerBets()) >= np.log(20))
        for ranked in (RankStreams.of, RankStreams.frozen)
    }
    assert crossed["of"] <= 0.05
    assert crossed["frozen"] > 0.15


@pytest.mark.parametrize(
    ("make", "options", "largest_share"),
    [
        (simulation.repeat_patients, {}, 0.02),
        (simulation.seasonal, {"amplitude": 0.2}, 0.02),
    ],
)
def test_repeats_and_seasons_hardly_page_at_the_production_threshold(make, options, largest_share):
    """Neither is exchangeable, so nothing is promised; `benchmarks/detectors.py` says what it costs in a year."""
    values = make(np.random.default_rng(13), BASELINE + STEPS, STREAMS, **options)
    pages = rank_pages(RankStreams.of(values, BASELINE), ShiftBets(), log_threshold(40_000, 365))
    assert pages.any(axis=0).mean() <= largest_share


def test_dependence_between_streams_is_allowed():
    """Sixteen quantities of the same cases move together; the expected number of pages is a sum all the same."""
    rng = np.random.default_rng(14)
    common = simulation.iid(rng, BASELINE + STEPS, STREAMS // 10)
    values = np.repeat(common, 10, axis=1) + 0.2 * simulation.iid(rng, BASELINE + STEPS, STREAMS)
    pages = rank_pages(RankStreams.of(values, BASELINE), ShiftBets(), np.log(ONE_PAGE_IN))
    by_site = pages.sum(axis=0).reshape(-1, 10).sum(axis=1)
    error = by_site.std() * np.sqrt(len(by_site))
    assert pages.sum() <= STREAMS * STEPS / ONE_PAGE_IN + 2 * error


@pytest.mark.parametrize("shift", [1.0, 2.0])
def test_delay_stays_within_its_bound(shift):
    """1.3 x n0 m / (m - n0) at the production threshold, n0 = delay of the CUSUM that knows both distributions."""
    threshold, m = log_threshold(40_000, 365), 500
    rng = np.random.default_rng(15)
    n0 = oracle_delay(shift, threshold, rng, streams=1000)
    values = simulation.iid(rng, m + 150, 60)
    values[m:] += shift
    late = delays(rank_pages(RankStreams.of(values, 200), ShiftBets(), threshold, stop_after=m - 200), m - 200)
    assert late.mean() <= 1.3 * n0 * m / (m - n0)


def test_rates_within_the_accepted_one_keep_the_promise():
    """Weekly waves below the accepted rate and clustered events: only the conditional probability counts."""
    rng = np.random.default_rng(16)
    chance = 0.1 * (1 + np.sin(2 * np.pi * np.arange(600) / 7)) / 2 + 0.05
    clustered = np.where(rng.random((600, 300)) < 0.5, chance[:, None], 0.02)
    pages = rate_pages(rng.random((600, 300)) < clustered, 0.15, np.log(ONE_PAGE_IN))
    at_the_limit = rate_pages(rng.random((600, 300)) < 0.15, 0.15, np.log(ONE_PAGE_IN))
    assert pages.sum() <= at_the_limit.sum() <= 600 * 300 / ONE_PAGE_IN
    assert at_the_limit.sum() > 60
