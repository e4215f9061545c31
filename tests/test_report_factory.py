"""The maker of reports is itself held to the rules that it imitates."""

from shared.report import SiteReport
from tests.report_factory import SiteStory, body_of, federation, reports_of


def test_the_same_story_gives_the_same_bytes() -> None:
    story = SiteStory("north-clinic", seed=3)
    assert [body_of(r) for r in reports_of(story)] == [body_of(r) for r in reports_of(story)]


def test_reports_survive_the_wire() -> None:
    for story in federation(windows=15):
        for report in reports_of(story):
            assert SiteReport.model_validate_json(body_of(report)) == report


def test_only_a_shifted_site_pages_and_only_after_the_change() -> None:
    def paging(story: SiteStory) -> list[int]:
        return [r.window.index for r in reports_of(story) for d in r.detectors if d.pages_in_window]

    assert paging(SiteStory("north-clinic")) == []
    pages = paging(SiteStory("south-clinic", drift_from=20))
    assert pages
    assert min(pages) >= 20


def test_suppressed_windows_and_withheld_quantities_hold_no_number() -> None:
    told = reports_of(SiteStory("north-clinic", suppressed=frozenset({12}), withheld=frozenset({"mean_entropy"})))
    hidden = next(r for r in told if r.window.index == 12)
    assert hidden.status == "suppressed"
    assert hidden.case_count is None
    assert all(m.histogram is None for r in told for m in r.metrics if m.name == "mean_entropy")


def test_a_baseline_comes_once_and_later_windows_name_it() -> None:
    told = reports_of(SiteStory("north-clinic"))
    assert [r.kind for r in told].count("baseline") == 1
    assert {r.versions.baseline for r in told if r.kind == "window" and r.window.index >= 9} == {1}
