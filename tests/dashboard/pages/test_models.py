from datetime import timedelta

from dashboard.client import CentralForPerson
from dashboard.pages import models
from tests.dashboard_views import words
from tests.fake_central import NOW, FakeCentral


def test_models_in_use_and_results_stand_below_each_other(lead: CentralForPerson) -> None:
    in_use, results = models.body(models.ask(lead), NOW)
    assert words(in_use).startswith("In use now 1 model in use at 6 sites. 1 site reported none yet.")
    assert "Dice before 0.841 Dice after 0.866 Proposed yes" in words(results)
    assert words(results).count("Train segmenter") == 1


def test_without_sites_and_results_it_says_what_is_awaited(lead: CentralForPerson, central: FakeCentral) -> None:
    central.sites, central.runs = [], []
    in_use, results = models.body(models.ask(lead), NOW)
    assert "No site takes part yet." in words(in_use)
    assert "There is no result yet." in words(results)


def test_the_page_is_made_anew_when_an_age_changes(lead: CentralForPerson) -> None:
    found = models.ask(lead)
    assert models.ages(found, NOW) == models.ages(found, NOW + timedelta(seconds=1))
    assert models.ages(found, NOW) != models.ages(found, NOW + timedelta(hours=1))
