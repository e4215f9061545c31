"""Federated runs: their rounds and totals, the sites' public keys, and the cohorts whose sums were released.

What must hold afterwards: a run's id stands once; a site has at most one good key; nobody changes or deletes a
released cohort.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_runs()
    _create_rounds()
    _create_keys_and_cohorts()
    _make_append_only("released_cohorts")


def _create_runs() -> None:
    op.create_table(
        "federated_runs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("deadline_s", sa.Double(), nullable=False),
        sa.Column("asked_sites", sa.JSON(), nullable=True),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("alive_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("invited", sa.JSON(), nullable=True),
        sa.Column("contributors", sa.JSON(), nullable=True),
        sa.Column("missing", sa.JSON(), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=True),
        sa.Column("told", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_federated_runs"),
        sa.UniqueConstraint("run", name="uq_federated_runs_run"),
    )


def _create_rounds() -> None:
    op.create_table(
        "federated_rounds",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("run_row_id", ROW_ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("contributors", sa.JSON(), nullable=False),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("bytes_per_site", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["run_row_id"], ["federated_runs.id"], name="fk_federated_rounds_run_row_id"),
        sa.PrimaryKeyConstraint("id", name="pk_federated_rounds"),
    )
    op.create_index("ix_federated_rounds_run_row_id", "federated_rounds", ["run_row_id"], unique=False)
    op.create_table(
        "federated_total_pieces",
        sa.Column("run_row_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("piece", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_row_id"], ["federated_runs.id"], name="fk_federated_total_pieces_run_row_id"),
        sa.PrimaryKeyConstraint("run_row_id", "number", "piece", name="pk_federated_total_pieces"),
    )


def _create_keys_and_cohorts() -> None:
    op.create_table(
        "federation_keys",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("site_id", ROW_ID, nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("registered_at", MOMENT, nullable=False),
        sa.Column("registered_by", sa.String(length=80), nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="fk_federation_keys_site_id"),
        sa.PrimaryKeyConstraint("id", name="pk_federation_keys"),
    )
    op.create_index("ix_federation_keys_site_id", "federation_keys", ["site_id"], unique=False)
    op.create_index(
        "uq_federation_keys_good",
        "federation_keys",
        ["site_id"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "released_cohorts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("quantity", sa.String(length=128), nullable=False),
        sa.Column("cohort", sa.JSON(), nullable=False),
        sa.Column("released_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_released_cohorts"),
    )
    op.create_index("ix_released_cohorts_quantity", "released_cohorts", ["quantity"], unique=False)


def _make_append_only(table: str) -> None:
    """Refuse UPDATE and DELETE by a trigger, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_append_only()"
    )


def downgrade() -> None:
    """The released cohorts must not be forgotten; restore a backup instead of going back."""
    raise NotImplementedError("Released cohorts must not be forgotten; restore a backup instead of going back.")
