"""Sites and their keys."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from central_server.database.audit import record
from central_server.database.tables import SiteKeyRow, SiteRow
from central_server.errors import NotFound


def site_named(session: Session, name: str) -> SiteRow:
    """The site of this name.

    Raises:
        NotFound: there is none.
    """
    site = session.scalar(select(SiteRow).where(SiteRow.name == name))
    if site is None:
        raise NotFound("There is no site of this name.")
    return site


def site_with_key(session: Session, hashed: str) -> SiteRow | None:
    """The site whose key this is, if the key is good."""
    key = session.scalar(select(SiteKeyRow).where(SiteKeyRow.key_hash == hashed, SiteKeyRow.revoked_at.is_(None)))
    return None if key is None else key.site


def all_sites(session: Session) -> list[SiteRow]:
    """All sites by name."""
    return list(session.scalars(select(SiteRow).order_by(SiteRow.name)))


def register(session: Session, name: str, title: str | None, now: datetime, actor: str) -> SiteRow:
    """The site of this name, made where it did not exist; a given title replaces the old one."""
    site = session.scalar(select(SiteRow).where(SiteRow.name == name))
    if site is None:
        site = SiteRow(name=name, title=title or name, registered_at=now)
        session.add(site)
        session.flush()
        record(session, now, actor, "site_registered", name)
    elif title:
        site.title = title
    return site


def give_key(
    session: Session, site: SiteRow, hashed: str, now: datetime, *, origin: str = "command", actor: str
) -> None:
    """Let this key speak for the site, beside the keys it has."""
    session.add(SiteKeyRow(site_id=site.id, key_hash=hashed, origin=origin, created_at=now))
    session.flush()
    record(session, now, actor, "site_key_given", site.name)


def revoke_keys(session: Session, site: SiteRow, now: datetime, actor: str) -> int:
    """End all keys of the site; returns how many were good until now."""
    ended = session.execute(
        update(SiteKeyRow)
        .where(SiteKeyRow.site_id == site.id, SiteKeyRow.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(SiteKeyRow.id)
    ).all()
    if ended:
        record(session, now, actor, "site_keys_revoked", site.name)
    return len(ended)


def follow_list(session: Session, listed: dict[str, str], now: datetime) -> None:
    """Make the keys of origin `file` those of the list: new ones are given, those that left it are revoked."""
    actor = "site-keys-file"
    for key in session.scalars(
        select(SiteKeyRow).where(SiteKeyRow.origin == "file", SiteKeyRow.revoked_at.is_(None))
    ).unique():
        if listed.get(key.site.name) != key.key_hash:
            key.revoked_at = now
            record(session, now, actor, "site_keys_revoked", key.site.name)
    for name, hashed in listed.items():
        site = register(session, name, None, now, actor)
        known = session.scalar(select(SiteKeyRow).where(SiteKeyRow.key_hash == hashed))
        if known is None:
            give_key(session, site, hashed, now, origin="file", actor=actor)
        elif known.site_id == site.id and known.revoked_at is not None and known.origin == "file":
            known.revoked_at = None
            record(session, now, actor, "site_key_given", name)


def note_seen(session: Session, site_id: int, now: datetime) -> None:
    """The site has just given a sign of life."""
    session.execute(update(SiteRow).where(SiteRow.id == site_id).values(last_seen_at=now))
