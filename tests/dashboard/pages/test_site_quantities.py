import pytest

from dashboard.client import CentralForPerson
from dashboard.pages import site_quantities as page
from shared.read_models import DriftSeries
from tests.dashboard_views import checked, point, series, words


def test_the_most_changed_quantities_are_shown_first_and_all_are_offered(
    lead: CentralForPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "FIRST_SHOWN", 3)
    some, everything = (page.ask_multiples(lead, "south-clinic", wants_all) for wants_all in (False, True))
    assert [len(some.shown), len(everything.shown), len(some.options())] == [3, 7, 7]
    assert [one.metric for one in some.shown] == some.ordered[:3]


def test_the_detail_knows_its_own_detectors_and_alerts_alone(lead: CentralForPerson) -> None:
    found = page.ask_detail(lead, "south-clinic", "lesion_volume_ml", "all")
    assert {series.alternative for series in found.detectors} == {"greater", "less"}
    assert found.alerts == ()
    assert {a.metric for a in page.ask_detail(lead, "south-clinic", "mean_entropy", "all").alerts} == {"mean_entropy"}


def test_the_detail_follows_the_stratum(lead: CentralForPerson) -> None:
    found = page.ask_detail(lead, "north-clinic", "mean_entropy", "manufacturer=siemens")
    assert found.series.stratum == found.drift.stratum == "manufacturer=siemens"
    assert "manufacturer=siemens" in words(page.words(found))


def test_without_a_choice_the_latest_window_with_numbers_is_shown() -> None:
    points = [point(0, [0.5]), point(1, [0.6]), point(2, answer="suppressed")]
    for choice in (None, page.LATEST):
        chosen = page.chosen_point(points, choice)
        assert chosen is not None
        assert chosen.window.index == 1


def test_a_chosen_window_is_shown_even_without_numbers() -> None:
    chosen = page.chosen_point([point(0, [0.5]), point(1, answer="withheld")], "1")
    assert chosen is not None
    assert chosen.answer == "withheld"


def test_a_window_that_does_not_exist_is_none() -> None:
    assert page.chosen_point([point(0, [0.5])], "99") is None
    assert page.chosen_point([], None) is None


def test_only_windows_without_numbers_give_the_last_of_them() -> None:
    chosen = page.chosen_point([point(0, answer="withheld"), point(1, answer="suppressed")], None)
    assert chosen is not None
    assert chosen.window.index == 1


def test_windows_are_offered_newest_first_and_say_why_they_have_no_number() -> None:
    options = page.window_options([point(0, [0.5]), point(1, answer="suppressed")])
    assert [option["value"] for option in options] == ["latest", "1", "0"]
    assert options[1]["label"].endswith("(suppressed)")


def test_the_large_chart_marks_alerts_and_the_beginning_of_the_change(lead: CentralForPerson) -> None:
    found = page.ask_detail(lead, "south-clinic", "mean_entropy", "all")
    names = {trace.name for trace in checked(page.course(found, found.series.points[-1])).data}
    assert {"alert opened", "change began"} <= names


def test_a_window_is_shown_beside_its_own_baseline_after_a_new_one_was_frozen() -> None:
    first, second = point(0, [0.7, 0.8], baseline=1), point(3, [0.2, 0.3], baseline=2)
    points = [point(1, [0.7], baseline=1), point(2, [0.3], baseline=None), point(4, [0.3], baseline=2)]
    told = series(points, second).model_copy(update={"baselines": (first, second)})
    found = page.Detail(told, DriftSeries(site="x", metric=told.metric, stratum="all", points=()), (), ())
    beside = [{t.name for t in checked(page.distribution(found, one)).data if t.name} for one in points]
    assert beside == [
        {"window (n = 1)", "site baseline v1 (n = 2)"},
        {"window (n = 1)"},
        {"window (n = 1)", "site baseline v2 (n = 2)"},
    ]


def test_the_charts_are_drawn_again_only_when_an_answer_changed(lead: CentralForPerson) -> None:
    before = page.ask_detail(lead, "south-clinic", "mean_entropy", "all").name
    assert page.ask_detail(lead, "south-clinic", "mean_entropy", "all").name == before
    (alert,) = [a for a in lead.alerts(site="south-clinic") if a.metric == "mean_entropy"]
    lead.acknowledge(str(alert.alert_id), "")
    assert page.ask_detail(lead, "south-clinic", "mean_entropy", "all").name != before


def test_a_site_without_quantities_has_none_to_offer(lead: CentralForPerson) -> None:
    assert page.ask_multiples(lead, "valley-clinic", False).options() == []
