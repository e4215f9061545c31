"""First tables: sites, reports with their summaries, alerts, sessions, audit.

What must hold afterwards: a report id stands once; of one cause at most one alert is open; nobody changes or deletes
a line of the audit or an alert's transition.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
APPEND_ONLY = ("audit", "alert_transitions")


def upgrade() -> None:
    _create_sites()
    _create_reports()
    _create_summaries()
    _create_alerts()
    _create_records()
    for table in APPEND_ONLY:
        _make_append_only(table)


def _create_sites() -> None:
    op.create_table(
        "sites",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("registered_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sites"),
        sa.UniqueConstraint("name", name="uq_sites_name"),
    )
    op.create_table(
        "site_keys",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("site_id", ROW_ID, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="fk_site_keys_site_id"),
        sa.PrimaryKeyConstraint("id", name="pk_site_keys"),
        sa.UniqueConstraint("key_hash", name="uq_site_keys_key_hash"),
    )
    op.create_index("ix_site_keys_site_id", "site_keys", ["site_id"], unique=False)


def _create_reports() -> None:
    op.create_table(
        "reports",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("stratum", sa.String(length=80), nullable=False),
        sa.Column("window_index", sa.BigInteger(), nullable=False),
        sa.Column("start_at", MOMENT, nullable=False),
        sa.Column("end_at", MOMENT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("baseline_version", sa.BigInteger(), nullable=True),
        sa.Column("patient_count", sa.BigInteger(), nullable=True),
        sa.Column("case_count", sa.BigInteger(), nullable=True),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("privacy", sa.JSON(), nullable=False),
        sa.Column("funnel", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("flag_quality", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reviews", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="fk_reports_site_id"),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
        sa.UniqueConstraint("report_id", name="uq_reports_report_id"),
    )
    op.create_index("ix_reports_arrival", "reports", ["site_id", "id"], unique=False)
    op.create_index(
        "ix_reports_place", "reports", ["site_id", "kind", "stratum", "window_index", "revision"], unique=False
    )
    op.create_table(
        "pending_reports",
        sa.Column("report_row_id", ROW_ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["report_row_id"], ["reports.id"], name="fk_pending_reports_report_row_id"),
        sa.PrimaryKeyConstraint("report_row_id", name="pk_pending_reports"),
    )


def _create_summaries() -> None:
    op.create_table(
        "metric_summaries",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("report_row_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("unit", sa.String(length=24), nullable=False),
        sa.Column("direction", sa.String(length=24), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("histogram", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("undefined_low", sa.BigInteger(), nullable=True),
        sa.Column("undefined_high", sa.BigInteger(), nullable=True),
        sa.Column("withheld", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["report_row_id"], ["reports.id"], name="fk_metric_summaries_report_row_id"),
        sa.PrimaryKeyConstraint("id", name="pk_metric_summaries"),
        sa.UniqueConstraint("report_row_id", "name", name="uq_metric_summaries_report_row_id_name"),
    )
    op.create_table(
        "event_summaries",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("report_row_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("count_low", sa.BigInteger(), nullable=False),
        sa.Column("count_high", sa.BigInteger(), nullable=False),
        sa.Column("out_of", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["report_row_id"], ["reports.id"], name="fk_event_summaries_report_row_id"),
        sa.PrimaryKeyConstraint("id", name="pk_event_summaries"),
        sa.UniqueConstraint("report_row_id", "name", name="uq_event_summaries_report_row_id_name"),
    )
    op.create_table(
        "detector_states",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("report_row_id", ROW_ID, nullable=False),
        sa.Column("metric", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("alternative", sa.String(length=8), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["report_row_id"], ["reports.id"], name="fk_detector_states_report_row_id"),
        sa.PrimaryKeyConstraint("id", name="pk_detector_states"),
        sa.UniqueConstraint(
            "report_row_id",
            "metric",
            "kind",
            "alternative",
            name="uq_detector_states_report_row_id_metric_kind_alternative",
        ),
    )


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.String(length=240), nullable=False),
        sa.Column("site_id", ROW_ID, nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=240), nullable=False),
        sa.Column("metric", sa.String(length=64), nullable=True),
        sa.Column("stratum", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("resolved_at", MOMENT, nullable=True),
        sa.Column("told_until", MOMENT, nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="fk_alerts_site_id"),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sa.UniqueConstraint("alert_id", name="uq_alerts_alert_id"),
    )
    op.create_index("ix_alerts_cause", "alerts", ["cause"], unique=False)
    op.create_index("ix_alerts_site_id_state", "alerts", ["site_id", "state"], unique=False)
    op.create_index(
        "uq_alerts_open_cause",
        "alerts",
        ["cause"],
        unique=True,
        sqlite_where=sa.text("state != 'resolved'"),
        postgresql_where=sa.text("state != 'resolved'"),
    )
    op.create_table(
        "alert_transitions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("alert_row_id", ROW_ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=True),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alert_row_id"], ["alerts.id"], name="fk_alert_transitions_alert_row_id"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_transitions"),
    )
    op.create_index("ix_alert_transitions_alert_row_id", "alert_transitions", ["alert_row_id"], unique=False)


def _create_records() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
    )
    op.create_table(
        "audit",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=240), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_table(
        "listening",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("last_alive_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_listening"),
    )


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
    """There is nothing before the first tables; restore a backup instead of going back."""
    raise NotImplementedError("The first tables cannot be taken back; restore a backup.")
