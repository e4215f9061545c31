"""The public keys by which sites are known in federated work, and the cohorts whose sums were released."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from central_server.database.audit import record
from central_server.database.federation_tables import FederationKeyRow, ReleasedCohortRow
from central_server.database.tables import SiteRow
from central_server.errors import NotFound, SiteKeyTaken
from shared.federation.site_keys import fingerprint


def give_key(session: Session, site: SiteRow, public_key: bytes, now: datetime, actor: str) -> bool:
    """Know the site by this key from now on; an older key of it ends. False where it is the site's key already.

    Raises:
        SiteKeyTaken: the key is, or was, another site's.
    """
    owner = session.scalar(
        select(FederationKeyRow).where(
            FederationKeyRow.public_key == public_key, FederationKeyRow.site_id != site.id
        ).limit(1)
    )  # fmt: skip
    if owner is not None:
        raise SiteKeyTaken(f"This key is registered for site '{owner.site.name}'; each site makes its own.")
    now_good = good_key(session, site)
    if now_good is not None and now_good.public_key == public_key:
        return False
    if now_good is not None:
        now_good.revoked_at = now
        session.flush()
    session.add(FederationKeyRow(site_id=site.id, public_key=public_key, registered_at=now, registered_by=actor))
    action = "federation_key_given" if now_good is None else "federation_key_changed"
    record(session, now, actor, action, f"{site.name} {fingerprint(public_key)}")
    session.flush()
    return True


def revoke(session: Session, site: SiteRow, now: datetime, actor: str) -> str:
    """End the site's key; returns its fingerprint.

    Raises:
        NotFound: the site has none.
    """
    row = good_key(session, site)
    if row is None:
        raise NotFound("This site has no federation key.")
    row.revoked_at = now
    told = fingerprint(row.public_key)
    record(session, now, actor, "federation_key_revoked", f"{site.name} {told}")
    return told


def good_key(session: Session, site: SiteRow) -> FederationKeyRow | None:
    """The key by which the site is known now."""
    return session.scalar(
        select(FederationKeyRow).where(FederationKeyRow.site_id == site.id, FederationKeyRow.revoked_at.is_(None))
    )


def good_keys(session: Session) -> dict[str, bytes]:
    """The public key of every site that has one, by the site's name."""
    query = select(FederationKeyRow).where(FederationKeyRow.revoked_at.is_(None))
    return {row.site.name: row.public_key for row in session.scalars(query)}


def key_rows(
    session: Session, after: tuple[str, int] | None = None, limit: int | None = None
) -> list[FederationKeyRow]:
    """All keys, by site and age; those that ended too.

    Args:
        after: site and row id of the last one that the caller has.
    """
    query = select(FederationKeyRow).join(FederationKeyRow.site).order_by(SiteRow.name, FederationKeyRow.id)
    if after is not None:
        site, row_id = after
        later = (SiteRow.name > site) | ((SiteRow.name == site) & (FederationKeyRow.id > row_id))
        query = query.where(later)
    return list(session.scalars(query.limit(limit)))


def note_seen(session: Session, sites: Collection[str], now: datetime) -> None:
    """These sites have just taken part in a sum."""
    ids = select(SiteRow.id).where(SiteRow.name.in_(sites))
    session.execute(
        update(FederationKeyRow)
        .where(FederationKeyRow.site_id.in_(ids), FederationKeyRow.revoked_at.is_(None))
        .values(last_seen_at=now)
        .execution_options(synchronize_session=False)
    )


def hold_cohorts(session: Session) -> None:
    """Let no other program look at or add to the released cohorts until this transaction ends."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(text("LOCK TABLE released_cohorts IN SHARE ROW EXCLUSIVE MODE"))


def cohorts(session: Session, quantity: str) -> list[frozenset[str]]:
    """The cohorts whose sums of this quantity count as released; each of them once."""
    query = select(ReleasedCohortRow.cohort).where(ReleasedCohortRow.quantity == quantity)
    return sorted({frozenset(cohort) for cohort in session.scalars(query)}, key=sorted)


def add_cohort(session: Session, quantity: str, cohort: Collection[str], now: datetime) -> None:
    """One more sum counts as released."""
    session.add(ReleasedCohortRow(quantity=quantity, cohort=sorted(cohort), released_at=now))
