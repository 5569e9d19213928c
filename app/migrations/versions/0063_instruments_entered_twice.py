"""Instruments that were entered twice are listed by an index of their own."""

from alembic import op
from sqlalchemy import text

revision = '0063'
down_revision = '0062'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index('instrument_double', 'instrument', ['city_code', 'id'], postgresql_where=text("twin <> 0"))


def downgrade() -> None:
    op.drop_index('instrument_double', 'instrument')
