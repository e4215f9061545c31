from dashboard.client import CentralForPerson
from dashboard.components import site_head
from shared.report import CountBand, Funnel
from tests.dashboard_views import words
from tests.fake_central import NOW


def test_the_head_tells_state_next_step_and_what_the_numbers_depend_on(lead: CentralForPerson) -> None:
    said = words(site_head.head(lead.site("south-clinic"), NOW))
    for expected in (
        "South Clinic", "Alert", "What to do:", "Look at the open alerts and call the site.", "bundled 1.0.0", "0.1.0",
        "v1, 129 patients", "frozen", "at least 5 patients a window", "31, of these 0 suppressed",
    ):  # fmt: skip
        assert expected in said


def test_a_warming_site_says_what_is_awaited_and_that_the_centre_does_not_know_how_far_it_is(
    lead: CentralForPerson,
) -> None:
    said = words(site_head.awaiting(lead.site("new-clinic").overview))
    assert "warming up" in said
    assert "Awaited: enough distinct patients" in said
    assert "known to the site alone" in said


def test_a_site_never_seen_awaits_its_first_call(lead: CentralForPerson) -> None:
    assert "first sign of life" in words(site_head.awaiting(lead.site("valley-clinic").overview))
    assert "not known" in words(site_head.head(lead.site("valley-clinic"), NOW))


def test_a_settled_site_awaits_nothing(lead: CentralForPerson) -> None:
    assert site_head.awaiting(lead.site("north-clinic").overview) is None


def test_a_suppressed_window_has_no_patient_number(lead: CentralForPerson) -> None:
    detail = lead.site("island-hospital")
    hidden = detail.model_copy(update={"overview": detail.overview.model_copy(update={"latest_patient_count": None})})
    assert "suppressed: too few patients" in words(site_head.head(hidden, NOW))


def test_the_funnel_tells_bands_and_reasons() -> None:
    found = Funnel(
        received=CountBand(low=15, high=18), refused=CountBand(low=1, high=4), failed=CountBand.exactly(0),
        scored=CountBand.exactly(14), refused_by_reason={"too_few_slices": CountBand(low=1, high=4)},
    )  # fmt: skip
    said = words(site_head.funnel(found))
    assert "Received 15 to 18 Refused 1 to 4 Failed 0 Scored 14" in said
    assert "too few slices: 1 to 4" in said
    assert "does not say" in words(site_head.funnel(None))
