"""Changes of the catalogue that begin on a day to come; no cycle of no months."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table('announced_change',
        sa.Column('item_id', sa.BigInteger(), nullable=False),
        sa.Column('valid_from', sa.Date(), nullable=False),
        sa.Column('told', postgresql.JSONB(), nullable=False),
        sa.Column('announced_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('by_name', sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(['item_id'], ['catalogue_item.id']),
        sa.PrimaryKeyConstraint('item_id'),
    )
    op.create_index('announced_change_day', 'announced_change', ['valid_from'])
    op.execute("UPDATE catalogue_item SET cycle_months = NULL WHERE cycle_months = 0")
    op.create_check_constraint('cycle_in_months', 'catalogue_item', 'cycle_months BETWEEN 1 AND 240')


def downgrade() -> None:
    op.drop_constraint('cycle_in_months', 'catalogue_item')
    op.drop_table('announced_change')
