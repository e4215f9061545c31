"""Windows and baselines know what was measured.

What must hold afterwards: numbers that were measured in two ways never lie in one window or baseline. What an older
version measured has no name: its open window is closed, and a new baseline is learned.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column to both tables."""
    for table in ("windows", "baselines"):
        op.add_column(table, sa.Column("measures", sa.String(16), nullable=False, server_default=""))


def downgrade() -> None:
    """Not possible: the ledger would be lost."""
    raise NotImplementedError("The store is never taken back; restore a backup.")
