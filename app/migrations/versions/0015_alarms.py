"""From where on a figure is marked, as each authority wants it."""

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('alarm_threshold',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('authority_id', sa.BigInteger(), nullable=False),
        sa.Column('name', sa.String(length=40), nullable=False),
        sa.Column('value', sa.Numeric(precision=8, scale=2), nullable=False),
        sa.ForeignKeyConstraint(['authority_id'], ['organization.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('authority_id', 'name', name='one_threshold_per_authority'),
    )


def downgrade() -> None:
    op.drop_table('alarm_threshold')
