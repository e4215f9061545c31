"""The first tables.

What must hold afterwards: exactly one window is open; a case id stands for one case; a ledger row is never
changed or deleted.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.String(27)
PSEUDONYM = sa.String(32)
SHA256 = sa.String(64)


def upgrade() -> None:
    """Make all tables and the triggers that keep the ledger append-only."""
    _facts_and_attempts()
    _windows_and_baselines()
    _cases()
    _detectors_and_pages()
    _ledger_and_outbox()
    _reviews()


def downgrade() -> None:
    """Not possible: the ledger would be lost."""
    raise NotImplementedError("The store is never taken back; restore a backup.")


def _facts_and_attempts() -> None:
    op.create_table(
        "facts",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(200), nullable=False),
    )
    op.create_table(
        "attempts",
        sa.Column("case_id", PSEUDONYM, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
    )


def _windows_and_baselines() -> None:
    op.create_table(
        "baselines",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("frozen_at", MOMENT, nullable=False),
        sa.Column("start_at", MOMENT, nullable=False),
        sa.Column("end_at", MOMENT, nullable=False),
        sa.Column("last_window", sa.Integer, nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("model_hash", SHA256, nullable=False),
        sa.Column("patient_count", sa.Integer, nullable=False),
        sa.Column("case_count", sa.Integer, nullable=False),
        sa.Column("last_case", sa.Integer, nullable=False),
    )
    op.create_table(
        "windows",
        sa.Column("index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start_at", MOMENT, nullable=False),
        sa.Column("end_at", MOMENT),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.Column("backend", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("model_hash", SHA256, nullable=False),
        sa.Column("baseline_version", sa.Integer, sa.ForeignKey("baselines.version")),
    )
    op.create_index("uq_windows_one_open", "windows", ["state"], unique=True, sqlite_where=sa.text("state = 'open'"))


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("case_id", PSEUDONYM, nullable=False, unique=True),
        sa.Column("series", PSEUDONYM, nullable=False),
        sa.Column("instances", PSEUDONYM, nullable=False),
        sa.Column("content", PSEUDONYM, nullable=False),
        sa.Column("patient", PSEUDONYM, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("stored_at", MOMENT, nullable=False),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("stage", sa.String(40)),
        sa.Column("reason", sa.String(64)),
        sa.Column("window_index", sa.Integer, sa.ForeignKey("windows.index"), nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("counted", sa.Boolean, nullable=False),
        sa.Column("model_version", sa.String(64)),
        sa.Column("model_hash", SHA256),
        sa.Column("values", sa.JSON),
        sa.Column("events", sa.JSON),
        sa.Column("result", sa.JSON),
    )
    op.create_index("ix_cases_series", "cases", ["series"])
    op.create_index("ix_cases_window", "cases", ["window_index", "outcome"])
    op.create_index("ix_cases_patient", "cases", ["patient", "window_index"])


def _detectors_and_pages() -> None:
    op.create_table(
        "detectors",
        sa.Column("baseline_version", sa.Integer, sa.ForeignKey("baselines.version"), primary_key=True),
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("state", sa.JSON, nullable=False),
    )
    op.create_table(
        "pages",
        sa.Column("baseline_version", sa.Integer, sa.ForeignKey("baselines.version"), primary_key=True),
        sa.Column("detector", sa.String(80), primary_key=True),
        sa.Column("case", sa.Integer, sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("window_index", sa.Integer, sa.ForeignKey("windows.index"), nullable=False),
        sa.Column("paged_at", MOMENT, nullable=False),
        sa.Column("since", MOMENT),
    )


def _ledger_and_outbox() -> None:
    op.create_table(
        "ledger",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("report_id", sa.String(36), nullable=False, unique=True),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("sha256", SHA256, nullable=False),
        sa.Column("chain", SHA256, nullable=False),
    )
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER ledger_refuses_{change.lower()} BEFORE {change} ON ledger "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("report_id", sa.String(36), nullable=False, unique=True),
        sa.Column("ledger_number", sa.Integer, sa.ForeignKey("ledger.number"), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("next_try_at", MOMENT, nullable=False),
        sa.Column("last_code", sa.String(40)),
        sa.Column("sent_at", MOMENT),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_try_at"])


def _reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("case", sa.Integer, sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("drawn_at", MOMENT, nullable=False),
        sa.Column("inclusion_probability", sa.Float, nullable=False),
        sa.Column("verdict", sa.String(10)),
        sa.Column("category", sa.String(40)),
        sa.Column("reviewed_at", MOMENT),
    )
