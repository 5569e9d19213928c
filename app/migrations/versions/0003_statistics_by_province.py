"""Statistics on the province of the big tables: without them the planner is wrong about a province by a power of ten."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("task", "instrument", "appointment")


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"CREATE STATISTICS {table}_province ON (left(city_code, 2)) FROM {table}")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP STATISTICS {table}_province")
