"""Federated jobs at a site: which of its data a job is asked over, and what the site does with the result.

`federation.jobs` holds the mathematics, this package the site's side of it: one small file a job, registered under the
name that the centre calls it by.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hospital_agent.federation.jobs import FederatedJob, Totals
from hospital_agent.settings import Settings
from shared.federation.messages import Option, Options
from shared.registry import Registry

L = TypeVar("L")
R = TypeVar("R")


@dataclass(frozen=True)
class Ended:
    """How a run came to its end: its id, and the sites whose data are in the totals."""

    run: str
    contributors: tuple[str, ...]


@dataclass(frozen=True)
class AtSite(Generic[L, R]):
    """A job as one site takes part in it.

    Args:
        job: what is computed.
        quantity: what the sums are of, as the site names it: job, model and kind of data, and never the run, so that
            sums of one thing over cohorts that are too close are seen as such over all rounds and runs.
        data: reads the site's own data; called when the first vector is due, since it may be dear.
        conclude: stores what the totals say (result, how the run ended) and tells what may be told of it: numbers
            that follow from the totals alone.
    """

    job: FederatedJob[L, R]
    quantity: str
    data: Callable[[], L]
    conclude: Callable[[R, Ended], Mapping[str, Option]]


SiteJob = Callable[[Settings, Options], AtSite[Any, Any]]
"""(settings, options of the centre) -> the job at this site; JobRefused where it cannot take part."""

site_jobs: Registry[SiteJob] = Registry("federated job")

__all__ = ["AtSite", "Ended", "SiteJob", "Totals", "site_jobs"]
