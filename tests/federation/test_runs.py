"""Whole runs among sites in one process: who is in the total, who is named as missing, and what nobody may open."""

import json
from dataclasses import replace

import numpy as np
import pytest

from central_server.federation.conductor import Conductor, RunRules
from central_server.federation.exchange import Exchange
from central_server.federation.run_log import RoundEnded, RunBegan
from shared.federation.messages import Opening, Packet, Refusal, SumStep
from tests.federations import RUN, Federation, InProcess, Rules, own_jobs, step_of


@pytest.fixture
def federation(monkeypatch):
    return lambda count: Federation(count, own_jobs(monkeypatch))


def is_gaussian_of(result, rows):
    moments = result.moments
    assert result.cohort.rows == len(rows)
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(moments.covariance(), np.cov(rows.T, bias=True), rtol=1e-9, atol=1e-12)


def test_a_run_comes_to_what_all_rows_in_one_place_come_to(federation):
    three = federation(3)
    ended = three.conduct()
    assert ended.completed
    assert ended.contributors == three.names
    assert ended.missing == {}
    assert ended.told == {"sites": 3, "rows": 18}
    assert ended.sentence == "3 sites took part in 2 rounds."
    assert set(three.results) == set(three.names)
    for result in three.results.values():
        is_gaussian_of(result, three.pooled())


def test_a_site_that_makes_something_else_of_the_totals_is_named_and_does_not_speak_for_all(federation):
    three = federation(3)
    honest = three.registered.get("gaussian")

    def other(settings, options):
        made = honest(settings, options)
        return made if settings.site != "s01" else replace(made, conclude=lambda result, ended: {"sites": 99})

    three.registered._things["gaussian"] = other
    ended = three.conduct()
    assert ended.told == {"sites": 3, "rows": 18}
    assert ended.sentence.endswith("Made something else of the same totals: s01.")


def test_the_log_tells_rounds_as_they_end(federation):
    three = federation(3)
    three.conduct()
    began, first, second, ended = three.log.events
    assert isinstance(began, RunBegan)
    assert began.invited == three.names
    assert (first.number, second.number, first.contributors) == (1, 2, three.names)
    assert first.bytes_per_site > 0
    assert ended.completed


def test_a_site_that_refuses_is_named_with_its_reason_and_the_others_go_on(federation):
    four = federation(4)
    four.rules["s02"].allowed = False
    ended = four.conduct()
    assert ended.completed
    assert ended.contributors == ("s01", "s03", "s04")
    assert ended.missing == {"s02": "not_allowed"}
    assert ended.sentence.endswith("Missing: s02 (not allowed).")
    is_gaussian_of(four.results["s01"], four.pooled(["s01", "s03", "s04"]))


def test_a_silent_site_is_named(federation):
    four = federation(4)
    ended = four.conduct(InProcess(four, lambda site, packet, number: site == "s04"))
    assert ended.completed
    assert ended.missing == {"s04": "silent"}


class Arriving(InProcess):
    """One site is not there before the exchange was asked so often who is."""

    def __init__(self, federation, late, after):
        super().__init__(federation)
        self.late, self.after, self.looked = late, after, 0

    def sites(self):
        self.looked += 1
        return [name for name in super().sites() if name != self.late or self.looked > self.after]


def passing(waited):
    """A clock that goes on by waiting alone."""
    return {"clock": lambda: sum(waited), "wait": waited.append}


def test_a_site_that_comes_a_little_later_takes_part(federation):
    three, waited = federation(3), []
    conductor = Conductor(Arriving(three, "s02", after=5), three.public, three.released, three.log, **passing(waited))
    assert conductor.conduct(RUN, "gaussian", {}).completed
    assert len(waited) == 5


def test_a_site_that_stays_away_is_not_waited_for_without_end(federation):
    four, waited = federation(4), []
    conductor = Conductor(
        Arriving(four, "s02", after=999), four.public, four.released, four.log, RunRules(gather_s=20), **passing(waited)
    )
    ended = conductor.conduct(RUN, "gaussian", {})
    assert ended.completed
    assert ended.missing == {"s02": "silent"}
    assert sum(waited) == 20


def test_two_sites_are_too_few(federation):
    three = federation(3)
    ended = three.conduct(InProcess(three, lambda site, packet, number: site == "s03"))
    assert not ended.completed
    assert ended.sentence == "Only 2 sites take part; at least 3 must. Missing: s03 (silent)."
    assert not three.results


def test_a_site_without_a_registered_key_is_not_invited(federation):
    four = federation(4)
    del four.public["s04"]
    exchange = InProcess(four)
    ended = four.conduct(exchange)
    assert ended.completed
    assert ended.missing == {"s04": "no_key"}
    assert not [site for site, _ in exchange.asked if site == "s04"]


@pytest.mark.parametrize("step", ["terms", "adverts", "inbox"])
def test_a_site_that_falls_out_of_the_first_sum_is_left_out_of_all(federation, step):
    five = federation(5)
    gone = []

    def lose(site, packet, number):
        if site == "s05" and step_of(packet) == step:
            gone.append(number)
        return site == "s05" and bool(gone)

    ended = five.conduct(InProcess(five, lose))
    assert ended.completed
    assert ended.contributors == five.names[:4]
    assert ended.missing == {"s05": "silent"}
    is_gaussian_of(five.results["s01"], five.pooled(five.names[:4]))


@pytest.mark.parametrize("step", ["survivors", "unmask"])
def test_a_site_that_falls_out_after_its_vector_arrived_is_still_in_that_total(federation, step):
    five = federation(5)
    lost = []

    def lose(site, packet, number):
        if site == "s05" and step_of(packet) == step and not lost:
            lost.append(number)
            return True
        return False

    ended = five.conduct(InProcess(five, lose))
    assert ended.completed
    assert ended.contributors == five.names
    is_gaussian_of(five.results["s01"], five.pooled())


def test_a_site_that_is_restarted_within_a_later_round_is_waited_for(federation):
    """Its secrets of the sum are gone: the round is tried again with it, and nothing was opened in between."""
    four = federation(4)
    restarted = []

    def lose(site, packet, number):
        if site == "s02" and step_of(packet) == "inbox" and number > 8 and not restarted:
            four.restart("s02")
            restarted.append(number)
        return False

    ended = four.conduct(InProcess(four, lose))
    assert restarted
    assert ended.completed
    assert ended.contributors == four.names
    assert ended.missing == {}


def test_nothing_is_opened_without_a_site_that_stays_away_after_the_first_total(federation):
    five = federation(5)
    exchange = InProcess(five, lambda site, packet, number: site == "s05" and number > 6)
    ended = five.conduct(exchange, tries=2)
    assert not ended.completed
    assert "s05 fell out after a total that holds its data" in ended.sentence
    assert [step for _, step in exchange.asked].count("unmask") == 5  # of the first round alone
    assert not five.results


def test_a_run_begins_again_without_three_sites_that_stay_away(federation):
    nine = federation(9)
    gone = ("s02", "s05", "s09")
    ended = nine.conduct(InProcess(nine, lambda site, packet, number: site in gone and number > 6), tries=2)
    assert ended.completed
    assert set(ended.contributors) == set(nine.names) - set(gone)
    assert ended.missing == dict.fromkeys(gone, "silent")
    is_gaussian_of(nine.results["s01"], nine.pooled(ended.contributors))
    assert [event.attempt for event in nine.log.events if isinstance(event, RoundEnded)] == [1, 2, 2]


def test_a_second_run_over_a_cohort_that_is_too_close_is_refused(federation):
    four = federation(4)
    assert four.conduct().completed
    ended = four.conduct(InProcess(four, lambda site, packet, number: site == "s04"))
    assert not ended.completed
    assert "would give 's04' away" in ended.sentence
    assert four.conduct().completed  # with the same sites it may run as often as it likes


def test_sites_that_would_sum_other_things_are_left_out(federation):
    four = federation(4)
    honest = four.registered.get("gaussian")

    def other(settings, options):
        made = honest(settings, options)
        return made if settings.site != "s03" else type(made)(made.job, "gaussian/other", made.data, made.conclude)

    four.registered._things["gaussian"] = other
    ended = four.conduct()
    assert ended.completed
    assert ended.missing == {"s03": "plans_differ"}


def test_a_vector_that_is_not_finite_never_leaves_its_site(federation):
    four = federation(4)
    four.rows["s02"].rows[0, 0] = np.nan
    ended = four.conduct()
    assert ended.completed
    assert ended.missing["s02"] in {"not_finite", "out_of_bounds"}
    assert not four.logs["s02"].events


def test_an_unknown_job_is_refused_by_every_site(federation):
    three = federation(3)
    answer = three.sites["s01"].answer(Opening.made(RUN, "everything", {}, []).packet())
    assert Refusal.of(answer).reason == "unknown_name"


@pytest.mark.parametrize("packet", [Packet("opening", b"nonsense"), Packet("surprise", b""), Packet("sum_step", b"{}")])
def test_nonsense_from_the_centre_is_refused(federation, packet):
    refused = Refusal.of(federation(3).sites["s01"].answer(packet))
    assert refused.reason == "broken_message"


def test_a_mistake_in_the_program_is_refused_and_logged_without_its_text(federation, capfd):
    three = federation(3)
    three.registered._things["gaussian"] = lambda settings, options: 1 / 0
    refused = Refusal.of(three.sites["s01"].answer(Opening.made(RUN, "gaussian", {}, []).packet()))
    assert refused.reason == "internal"
    assert "zero" not in refused.sentence
    logged = capfd.readouterr()
    assert "ZeroDivisionError" in logged.err
    assert "division by zero" not in logged.out + logged.err


def test_a_step_without_an_opening_is_refused(federation):
    three = federation(3)
    exchange = InProcess(three)
    three.conduct(exchange)
    for name in three.names:
        three.restart(name)
    refused = Refusal.of(three.sites["s01"].answer(SumStep(run=RUN, step="inbox").packet()))
    assert refused.reason == "not_open"


def test_everything_that_leaves_a_site_was_written_down_before(federation):
    three = federation(3)
    three.conduct()
    entries = [json.loads(told) for told in three.logs["s02"].events]
    assert [entry["what"] for entry in entries] == [*["masked vector", "shares of the masks"] * 2, "outcome"]
    assert entries[0]["cohort"] == list(three.names)
    assert entries[0]["quantity"] == "gaussian/test"
    assert [entry.get("round") for entry in entries] == [1, 1, 2, 2, None]


def test_a_site_may_want_more_sites_beside_it(federation):
    four = federation(4)
    four.rules["s01"] = four.sites["s01"]._rules = Rules(fewest=5)
    ended = four.conduct()
    assert ended.missing.get("s01") == "not_allowed"


def test_an_answer_in_the_name_of_another_site_does_not_count(federation):
    four = federation(4)

    class Swapping(InProcess):
        def ask(self, requests, deadline_s):
            answers = dict(super().ask(requests, deadline_s))
            if "s01" in answers and "s02" in answers:
                answers["s01"] = answers["s02"]
            return answers

    exchange: Exchange = Swapping(four)
    ended = four.conduct(exchange)
    assert ended.missing == {"s01": "broken_answer"}
    assert ended.completed


@pytest.mark.slow  # Shamir's shares of fifty sites in one process: a minute
def test_fifty_sites_of_which_a_tenth_falls_out_and_one_is_restarted(federation):
    fifty = federation(50)
    gone = fifty.names[::10]
    restarted = []

    def lose(site, packet, number):
        if site == "s02" and number == 11 and not restarted:
            fifty.restart("s02")
            restarted.append(site)
        return site in gone and number > 7

    ended = fifty.conduct(InProcess(fifty, lose), tries=2)
    assert restarted
    assert ended.completed
    assert set(ended.contributors) == set(fifty.names) - set(gone)
    assert ended.missing == dict.fromkeys(gone, "silent")
    is_gaussian_of(fifty.results["s02"], fifty.pooled(ended.contributors))
