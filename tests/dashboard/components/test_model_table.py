from dashboard.client import CentralForPerson
from dashboard.components.model_table import model_table, summary
from shared.read_models import SiteOverview
from tests.dashboard_views import of_kind, words
from tests.fake_central import NOW


def with_model(site: SiteOverview, version: str, digit: str) -> SiteOverview:
    assert site.versions is not None
    versions = site.versions.model_copy(update={"model": version, "model_hash": digit * 64})
    return site.model_copy(update={"versions": versions})


def rows(sites: list[SiteOverview]) -> list[str]:
    return [words(row) for row in of_kind(model_table(sites, NOW), "Tr")[1:]]


def test_sites_with_the_same_model_stand_together_the_most_used_first(lead: CentralForPerson) -> None:
    known = {site.site: site for site in lead.sites()}
    sites = [
        with_model(known["hill-hospital"], "2.0.0", "a"),
        with_model(known["north-clinic"], "1.0.0", "b"),
        known["valley-clinic"],
        with_model(known["island-hospital"], "1.0.0", "b"),
    ]
    found = rows(sites)
    assert [row.split(" bundled")[0] for row in found[:3]] == ["Island Hospital", "North Clinic", "Hill Hospital"]
    assert found[0].startswith("Island Hospital bundled 1.0.0 bbbbbbbbbbbb 2 sites 1.0.0 v1 ")
    assert "2.0.0 aaaaaaaaaaaa this site alone" in found[2]
    assert found[3] == "Valley Clinic not known – – – – – no report yet"
    assert summary(sites) == "2 models in use at 3 sites. 1 site reported none yet."


def test_one_version_with_other_weights_is_another_model(lead: CentralForPerson) -> None:
    known = {site.site: site for site in lead.sites()}
    sites = [with_model(known["north-clinic"], "1.0.0", "a"), with_model(known["hill-hospital"], "1.0.0", "b")]
    assert summary(sites) == "2 models in use at 2 sites."
    assert all("this site alone" in row for row in rows(sites))


def test_the_whole_hash_can_be_read(lead: CentralForPerson) -> None:
    site = with_model(next(site for site in lead.sites() if site.versions), "1.0.0", "c")
    (code,) = of_kind(model_table([site], NOW), "Code")
    assert code.title == "c" * 64


def test_a_site_without_a_network_says_so(lead: CentralForPerson) -> None:
    site = next(site for site in lead.sites() if site.versions)
    assert site.versions is not None
    masks = site.model_copy(update={"versions": site.versions.model_copy(update={"model_hash": "none"})})
    assert "masks come from elsewhere" in rows([masks])[0]


def test_before_the_first_report_nothing_is_in_use(lead: CentralForPerson) -> None:
    never = [site for site in lead.sites() if site.versions is None]
    assert summary(never) == "No site has reported yet."
