"""The tables of federated work: runs, their rounds and totals, the sites' keys, and the cohorts whose sums are out.

Times are aware UTC. What is not known yet is NULL.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from central_server.database.tables import Base, RowId, SiteRow

NAMES = JSON(none_as_null=True)


class RunRow(Base):
    """A job that the centre asked of the federation, and what became of it.

    `state` is proposed, running, completed or failed. While a run is led, `alive_at` moves on; one that is running
    and has stood still was interrupted (`central_server.federation.states`), which no program is left to write down.
    `asked_sites` are those named by the person who started it; NULL stands for all that can be reached.
    """

    __tablename__ = "federated_runs"
    __table_args__ = (UniqueConstraint("run"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    run: Mapped[str] = mapped_column(String(32))
    job: Mapped[str] = mapped_column(String(64))
    options: Mapped[dict[str, Any]]
    deadline_s: Mapped[float]
    asked_sites: Mapped[list[str] | None] = mapped_column(NAMES)
    actor: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    alive_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    invited: Mapped[list[str] | None] = mapped_column(NAMES)
    contributors: Mapped[list[str] | None] = mapped_column(NAMES)
    missing: Mapped[dict[str, Any] | None] = mapped_column(NAMES)
    sentence: Mapped[str | None] = mapped_column(Text)
    told: Mapped[dict[str, Any] | None] = mapped_column(NAMES)
    rounds: Mapped[list["RoundRow"]] = relationship(order_by="RoundRow.id", back_populates="run")


class RoundRow(Base):
    """One sum of a run. `missing` gives the reason of each invited site that is not in it, as a slug."""

    __tablename__ = "federated_rounds"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    run_row_id: Mapped[int] = mapped_column(ForeignKey("federated_runs.id"), index=True)
    attempt: Mapped[int] = mapped_column(Integer)
    number: Mapped[int] = mapped_column(Integer)
    contributors: Mapped[list[str]] = mapped_column(JSON)
    missing: Mapped[dict[str, Any]]
    seconds: Mapped[float]
    bytes_per_site: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[datetime]
    run: Mapped[RunRow] = relationship(back_populates="rounds")


class TotalPieceRow(Base):
    """A piece of the total of one round, float64 little-endian. A total can have 100 MB; no row holds it all."""

    __tablename__ = "federated_total_pieces"

    run_row_id: Mapped[int] = mapped_column(ForeignKey("federated_runs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    piece: Mapped[int] = mapped_column(Integer, primary_key=True)
    data: Mapped[bytes]


class FederationKeyRow(Base):
    """An Ed25519 public key by which a site is known in federated work. A new key is a new row and ends the old one.

    The database itself allows one good key a site. `last_seen_at` is the site's last sum under this key.
    """

    __tablename__ = "federation_keys"
    __table_args__ = (
        Index(
            "uq_federation_keys_good",
            "site_id",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"), index=True)
    public_key: Mapped[bytes]
    registered_at: Mapped[datetime]
    registered_by: Mapped[str] = mapped_column(String(80))
    last_seen_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    site: Mapped[SiteRow] = relationship(lazy="joined")


class ReleasedCohortRow(Base):
    """A cohort that sites were asked to unmask. Append-only, held by a trigger: forgetting one could expose a site."""

    __tablename__ = "released_cohorts"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    quantity: Mapped[str] = mapped_column(String(128), index=True)
    cohort: Mapped[list[str]] = mapped_column(JSON)
    released_at: Mapped[datetime]
