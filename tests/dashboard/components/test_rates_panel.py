import pytest

from dashboard.components import rates_panel
from dashboard.wording import ANSWER_WORDS, RATE_TITLES
from shared.read_models import RateView
from shared.report import CountBand, FlagQuality, Interval
from tests.dashboard_views import words

INTERVAL = Interval(estimate=0.18, low=0.05, high=0.4, method="exact (Clopper-Pearson)")
QUALITY = FlagQuality(
    sensitivity=Interval(estimate=0.78, low=0.62, high=0.89, method="Clopper-Pearson"),
    specificity=Interval(estimate=0.9, low=0.86, high=0.93, method="Clopper-Pearson"),
    measured_on="simulated lesions in known anatomies",
)


def view(name: str = "flagged_rate", answer: str = "ok", **more) -> RateView:
    found = {"interval": INTERVAL if answer == "ok" else None, "count": CountBand(low=1, high=4), "out_of": 14, **more}
    return RateView(name=name, answer=answer, **found)


def test_all_three_rates_stand_under_their_own_names() -> None:
    said = words(rates_panel.rates_and_trust([view()]))
    assert all(title in said for title in RATE_TITLES.values())
    assert said.count("18 %") == 1
    assert said.count("not reported") == 2


def test_sensitivity_and_specificity_stand_beside_the_flagged_rate_with_their_source() -> None:
    said = words(rates_panel.rates_and_trust([view(flag_quality=QUALITY)]))
    assert "78 %  62 to 89 %" in said
    assert "90 %  86 to 93 %" in said
    assert "Measured on: simulated lesions in known anatomies." in said


@pytest.mark.parametrize("rates", [[view()], []])
def test_where_nobody_measured_it_is_unknown_here(rates: list[RateView]) -> None:
    assert words(rates_panel.rates_and_trust(rates)).count(rates_panel.UNKNOWN_HERE) == 2


@pytest.mark.parametrize("answer", ["insufficient_data", "suppressed", "withheld", "missing"])
def test_a_rate_without_a_number_says_why(answer: str) -> None:
    said = words(rates_panel.rates_and_trust([view(answer=answer, count=None, out_of=None)]))
    assert ANSWER_WORDS[answer] in said
    assert "0 %" not in said


def test_reviews_that_never_came_are_not_a_missing_report() -> None:
    said = words(rates_panel.rates_and_trust([view("reviewed_failure_rate", "missing")]))
    assert "no reviews reported" in said
    assert ANSWER_WORDS["missing"] not in said


def test_a_banded_count_stays_a_band() -> None:
    assert "1 to 4 of 14 cases · exact (Clopper-Pearson)" in words(rates_panel.rates_and_trust([view()]))
