"""Sites: the overview, and one site in detail."""

from typing import Annotated

from fastapi import APIRouter, Path

from central_server.api.access import CentreNow, Reader
from central_server.api.answers import problems
from central_server.api.paging import Cursor, Limit, cut, decode
from central_server.database import series
from central_server.database.facts import facts_of_sites
from central_server.database.listening import listening
from central_server.database.sites import site_named
from central_server.errors import BadCursor
from central_server.views.overview import overview
from central_server.views.rates import rates
from shared.read_models import Page, SiteDetail, SiteOverview
from shared.report import Funnel, PrivacyStatement

router = APIRouter(tags=["sites"])

SiteInPath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{1,39}$", description="Name of the site.")]


@router.get("/sites", summary="List sites, most urgent first", responses=problems(400, 401, 422))
def list_sites(centre: CentreNow, _: Reader, cursor: Cursor = None, limit: Limit = 500) -> Page[SiteOverview]:
    """Each site with its state and what a person should do; a smaller `action_rank` needs a person sooner."""
    after = _position(decode(cursor))
    with centre.database.read() as session:
        heard, now = listening(session), centre.clock()
        views = [overview(facts, heard, centre.policy, now) for facts in facts_of_sites(session)]
    ordered = sorted(views, key=_place)
    left = [view for view in ordered if after is None or _place(view) > after]
    items, following = cut(left, limit, lambda view: f"{view.action_rank}:{view.site}")
    return Page(items=tuple(items), next_cursor=following)


def _place(view: SiteOverview) -> tuple[int, str]:
    return view.action_rank, view.site


def _position(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    rank, colon, site = text.partition(":")
    if not colon or not rank.isdecimal() or len(rank) > 4:
        raise BadCursor("This cursor was not given out by this server.")
    return int(rank), site


@router.get("/sites/{site}", summary="Read one site", responses=problems(401, 404, 422))
def read_site(site: SiteInPath, centre: CentreNow, _: Reader) -> SiteDetail:
    """The site's row, and what its latest window said about itself."""
    with centre.database.read() as session:
        row = site_named(session, site)
        (facts,) = facts_of_sites(session, row)
        count, suppressed = series.counts_of_reports(session, row.id)
        newest = facts.window or facts.baseline
        return SiteDetail(
            overview=overview(facts, listening(session), centre.policy, centre.clock()),
            privacy=PrivacyStatement.model_validate(newest.privacy) if newest else None,
            funnel=Funnel.model_validate(newest.funnel) if newest and newest.funnel else None,
            report_count=count,
            suppressed_count=suppressed,
            rates=rates(facts.window, facts.flagged),
        )
