"""What stood at the end of each month, by region; kinds by city."""

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

TOLD = ['region_code', 'city_code', 'state', 'purpose', 'catalogue_item_id', 'amount']


def upgrade() -> None:
    op.create_table('month_end',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('city_code', sa.String(length=6), nullable=False),
        sa.Column('region_code', sa.String(length=6), nullable=False),
        sa.Column('using_unit_id', sa.BigInteger(), nullable=True),
        sa.Column('institution_id', sa.BigInteger(), nullable=True),
        sa.Column('subject', sa.String(length=20), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('catalogue_item_id', sa.BigInteger(), nullable=True),
        sa.Column('purpose', sa.String(length=20), nullable=True),
        sa.Column('amount', sa.BigInteger(), nullable=False),
        sa.Column('month', sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('month_end_of_subject', 'month_end',
        ['month', 'subject', sa.literal_column('left(city_code, 2)')], unique=False, postgresql_include=TOLD)


def downgrade() -> None:
    op.drop_table('month_end')
