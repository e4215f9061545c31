"""Histograms of every score over the last released window of each site."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Literal

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from hospital_agent.assembly import plan_of
from hospital_agent.federation.asked import JobOptions, NoData, OptionRefused, OtherModel, options_of, privacy_rule
from hospital_agent.federation.in_use import model_in_use
from hospital_agent.federation.jobs.histograms import FederatedHistograms, HistogramsJob, WindowOfSite
from hospital_agent.federation.results import keep_result
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.reporting.aggregate import tally
from hospital_agent.reporting.privacy import Policy, finest_resolution
from hospital_agent.reporting.releases import Plan
from hospital_agent.settings import Settings
from hospital_agent.store import cases
from hospital_agent.store.database import Store
from hospital_agent.store.tables import WindowRow
from hospital_agent.toolkit import build_toolkit
from shared.clock import Clock, utc_now
from shared.federation.messages import Option, Options

SHORT = 16  # digits of a hash in the name of a quantity


class HistogramsOptions(JobOptions):
    """What the centre may choose.

    Args:
        resolution: bins of every histogram.
        month: "2026-11": only a window that was released in it is given. The present one where nothing is said.
    """

    resolution: Literal[8, 16, 32] = 8
    month: str = Field(default="", pattern=r"^(\d{4}-(0[1-9]|1[0-2]))?$")


@site_jobs.register("histograms")
def histograms(
    settings: Settings, options: Options, clock: Clock = utc_now
) -> AtSite[WindowOfSite, FederatedHistograms]:
    """The window that the site released last in a month, under the rule and the k of its reports.

    The month stands in the name of the quantity, and a window is given in its own month alone: over two months no
    window is ever given twice, so a site that is gone for good blocks no sum of the next.

    Raises:
        OptionRefused: a resolution that so few patients do not allow, or a month that has not begun.
        OtherModel: the window was measured by another model than the one in use, or the centre asks about another.
        NoPrivacyRule: the site has set no k.
    """
    asked = options_of(HistogramsOptions, options)
    policy = privacy_rule(settings)
    this_month = f"{clock():%Y-%m}"
    month = asked.month or this_month
    if month > this_month:
        raise OptionRefused("This site does not take the option month: it has not begun.")
    toolkit = build_toolkit(model_in_use(settings), with_network=False, lungs=settings.lungs)
    if asked.model and not (len(asked.model) >= 12 and toolkit.model_hash.startswith(asked.model)):
        raise OtherModel("The model in use at this site is not the one that is asked about.")
    plan = plan_of(settings, toolkit)
    job = HistogramsJob(plan.quantities, asked.resolution)

    def conclude(result: FederatedHistograms, ended: Ended) -> Mapping[str, Option]:
        metrics = {name: asdict(metric) for name, metric in result.metrics.items()}
        keep_result(settings, "histograms", ended, {"month": month, **_counts(result), "metrics": metrics})
        return {**_counts(result), "quantities": len(result.metrics)}

    name = f"histograms/{plan.model.hash[:SHORT]}/{plan.model.measures}/{month}"
    return AtSite(job, name, lambda: _window(settings, plan, policy, asked, month), conclude)


def _window(settings: Settings, plan: Plan, policy: Policy, asked: HistogramsOptions, month: str) -> WindowOfSite:
    store = Store(settings.data_dir)
    try:
        with store.read() as session:
            window = _last_released(session, month)
            if window is None:
                raise NoData("This site has released no window in this month.")
            if (window.model_hash, window.measures) != (plan.model.hash, plan.model.measures):
                raise OtherModel("The last window of this site was measured in another way than it measures now.")
            counted = tally(cases.counted(session, [window.index]), plan.quantities, plan.events)
    finally:
        store.close()
    if asked.resolution > finest_resolution(counted.patient_count):
        raise OptionRefused(
            "This site does not take the option resolution as it is: too few patients are in its window for so fine a "
            "histogram."
        )
    return WindowOfSite(counted, plan.events, policy)


def _last_released(session: Session, month: str) -> WindowRow | None:
    found = session.scalars(
        select(WindowRow).where(WindowRow.state == "released").order_by(WindowRow.index.desc()).limit(400)
    )
    return next((window for window in found if _month(window.closed_at) == month), None)


def _month(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m}"


def _counts(result: FederatedHistograms) -> dict[str, int]:
    return {
        "sites_told": result.sites_told,
        "sites_suppressed": result.sites_suppressed,
        "patients": result.patients,
        "cases": result.cases,
    }
