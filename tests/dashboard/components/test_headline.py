from dashboard.client import CentralForPerson
from dashboard.components import headline
from tests.dashboard_views import of_kind, words


def test_every_site_is_counted_once(lead: CentralForPerson) -> None:
    sites = lead.sites()
    found = headline.counts(sites)
    assert sum(found.values()) == len(sites) == 7
    assert (found["alerting"], found["silent"], found["warming_up"]) == (1, 2, 1)


def test_a_group_holds_its_sites_and_an_unknown_one_all(lead: CentralForPerson) -> None:
    sites = lead.sites()
    assert [site.site for site in headline.in_group(sites, "alerting")] == ["south-clinic"]
    assert headline.in_group(sites, "nonsense") == headline.in_group(sites, None) == list(sites)


def test_the_tiles_are_links_with_number_and_word(lead: CentralForPerson) -> None:
    strip = headline.strip(lead.sites(), "silent")
    links = of_kind(strip, "Link")
    assert [link.href for link in links][:2] == ["/", "/?show=alerting"]
    assert "Alerting 1" in words(strip)
    assert ["tile-chosen" in link.className for link in links].index(True) == 2


def test_no_site_at_all_makes_a_strip_of_zeros() -> None:
    assert words(headline.strip([], None)).count("0") == 6
