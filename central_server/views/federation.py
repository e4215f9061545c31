"""Federated runs, their rounds and the sites' keys, as people and programs see them."""

from collections.abc import Mapping
from datetime import datetime

from central_server.database.federated_runs import RoundsSoFar
from central_server.database.federation_tables import FederationKeyRow, RoundRow, RunRow
from central_server.federation.states import state_of
from central_server.federation.words import in_words
from shared.federation.read_models import FederationKey, MissingSite, RoundView, RunDetail, RunOverview, RunState
from shared.federation.site_keys import fingerprint, key_as_text

PROPOSED = "Asked for; nobody has taken it up yet."
RUNNING = "The sites are computing."
INTERRUPTED = "Whoever led this run gives no sign of life any more. There is no result; ask for the job again."


def run_overview(row: RunRow, so_far: RoundsSoFar, now: datetime) -> RunOverview:
    """A run in the list. While it runs, who takes part is read off its newest round."""
    state, newest = state_of(row, now), so_far.newest
    over = state in ("completed", "failed")
    return RunOverview.model_validate(
        {
            "run": row.run,
            "job": row.job,
            "options": row.options,
            "state": state,
            "sentence": _sentence(row, state),
            "actor": row.actor,
            "created_at": row.created_at,
            "started_at": row.started_at,
            "ended_at": row.ended_at,
            "invited": tuple(row.invited or row.asked_sites or ()),
            "contributors": tuple((row.contributors if over else newest and newest.contributors) or ()),
            "missing": _missing((row.missing if over else newest and newest.missing) or {}),
            "told": row.told or {},
            "round_count": so_far.count,
            "seconds": so_far.seconds,
            "bytes_per_site": so_far.bytes_per_site,
        }
    )


def _sentence(row: RunRow, state: RunState) -> str:
    return row.sentence or {"proposed": PROPOSED, "running": RUNNING, "interrupted": INTERRUPTED}.get(state, "")


def run_detail(row: RunRow, so_far: RoundsSoFar, now: datetime) -> RunDetail:
    """A run with its rounds."""
    return RunDetail(
        overview=run_overview(row, so_far, now),
        deadline_s=row.deadline_s,
        asked_sites=None if row.asked_sites is None else tuple(row.asked_sites),
        rounds=tuple(_round(one) for one in row.rounds),
    )


def _round(row: RoundRow) -> RoundView:
    return RoundView(
        attempt=row.attempt,
        number=row.number,
        contributors=tuple(row.contributors),
        missing=_missing(row.missing),
        seconds=row.seconds,
        bytes_per_site=row.bytes_per_site,
        ended_at=row.ended_at,
    )


def _missing(reasons: Mapping[str, str]) -> tuple[MissingSite, ...]:
    return tuple(
        MissingSite(site=site, reason=reason, words=in_words(reason)) for site, reason in sorted(reasons.items())
    )


def key_view(row: FederationKeyRow) -> FederationKey:
    """A site's key with its fingerprint."""
    return FederationKey(
        site=row.site.name,
        fingerprint=fingerprint(row.public_key),
        public_key=key_as_text(row.public_key),
        registered_at=row.registered_at,
        registered_by=row.registered_by,
        last_seen_at=row.last_seen_at,
        revoked_at=row.revoked_at,
    )
