"""Which model each site uses now, as its newest report says, and which sites use the same."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components.basics import when
from dashboard.components.plain_table import Row, plain_table
from dashboard.wording import plural
from shared.read_models import SiteOverview
from shared.report import Versions

COLUMNS = ("Site", "Model", "Weights", "Used at", "Quality model", "Baseline", "Agent", "Reported")
SHOWN_DIGITS = 12

Model = tuple[str, str, str]


def model_of(versions: Versions) -> Model:
    """What makes two sites use the same model: backend, version and the weights themselves."""
    return versions.backend, versions.model, versions.model_hash


def in_use(sites: Sequence[SiteOverview]) -> Counter[Model]:
    """How many sites use each model."""
    return Counter(model_of(site.versions) for site in sites if site.versions)


def summary(sites: Sequence[SiteOverview]) -> str:
    """How many models are in use, in a sentence."""
    used, unknown = in_use(sites), sum(site.versions is None for site in sites)
    if not used:
        return "No site has reported yet."
    told = f"{plural(len(used), 'model')} in use at {plural(used.total(), 'site')}."
    return f"{told} {plural(unknown, 'site')} reported none yet." if unknown else told


def model_table(sites: Sequence[SiteOverview], now: datetime) -> Component:
    """Sites that use the same model stand together, the most used model first."""
    used = in_use(sites)

    def place(site: SiteOverview) -> tuple[int, Model, str]:
        if site.versions is None:
            return 1, ("", "", ""), site.title
        model = model_of(site.versions)
        return -used[model], model, site.title

    return plain_table("Models in use", COLUMNS, [_row(site, used, now) for site in sorted(sites, key=place)])


def _row(site: SiteOverview, used: Counter[Model], now: datetime) -> Row:
    link = dcc.Link(site.title, href=f"/sites/{site.site}", className="row-link")
    versions = site.versions
    if versions is None:
        return Row((link, "not known", "–", "–", "–", "–", "–", "no report yet"), is_over=True)
    others = used[model_of(versions)]
    cells = (
        link,
        f"{versions.backend} {versions.model}",
        _weights(versions.model_hash),
        html.Strong("this site alone") if others == 1 and len(used) > 1 else plural(others, "site"),
        versions.quality_model,
        "not frozen yet" if versions.baseline is None else f"v{versions.baseline}",
        versions.agent,
        when(site.last_report_at, now),
    )
    return Row(cells)


def _weights(model_hash: str) -> Component | str:
    if model_hash == "none":
        return "none: masks come from elsewhere"
    return html.Code(model_hash[:SHOWN_DIGITS], title=model_hash, className="fingerprint")
