"""What a site remembers of secure sums.

What must hold afterwards: a session is opened once, for good; over which sites a sum was released is never forgotten,
because every later sum of the same quantity is compared with it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.String(27)


def upgrade() -> None:
    """Make both tables and the triggers that keep them append-only."""
    op.create_table(
        "federation_sessions",
        sa.Column("session", sa.String(32), primary_key=True),
        sa.Column("opened_at", MOMENT, nullable=False),
    )
    op.create_table(
        "federation_releases",
        sa.Column("quantity", sa.String(128), primary_key=True),
        sa.Column("cohort", sa.Text, primary_key=True),
        sa.Column("first_at", MOMENT, nullable=False),
    )
    for table in ("federation_sessions", "federation_releases"):
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuses_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'what a site gave is never forgotten'); END"
            )


def downgrade() -> None:
    """Not possible: the ledger would be lost."""
    raise NotImplementedError("The store is never taken back; restore a backup.")
