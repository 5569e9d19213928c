"""Queries: everything of an area in the order of its list, saved views, and lists of numbers to look for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

PLACES = {'county': ['region_code'], 'city': ['city_code'], 'province': [sa.text('left(city_code, 2)')], 'nation': []}
ORDERS = {('appointment', 'applied'): ['applied_at', 'id'], ('certificate', 'verified'): ['verified_on', 'id']}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _views()
    op.create_index('instrument_county', 'instrument', ['region_code', 'id'])
    op.create_index('instrument_city', 'instrument', ['city_code', 'id'])
    op.create_index('instrument_province', 'instrument', [sa.text('left(city_code, 2)'), 'id'])
    op.create_index('instrument_valid_until', 'instrument', ['valid_until', 'city_code'])
    for (table, name), order in ORDERS.items():
        for level, place in PLACES.items():
            op.create_index(f'{table}_{name}_{level}', table, [*place, *order])


def _views() -> None:
    op.create_table('saved_view',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('page', sa.String(length=60), nullable=False),
        sa.Column('name', sa.String(length=40), nullable=False),
        sa.Column('query', sa.String(length=4000), nullable=False),
        sa.Column('columns', postgresql.JSONB(), nullable=False),
        sa.Column('shared', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('saved_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('account_id', 'page', 'name', name='one_view_per_name'),
    )
    op.create_table('number_list',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('numbers', postgresql.ARRAY(sa.String(length=100)), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.CheckConstraint('cardinality(numbers) BETWEEN 1 AND 1000', name='at_most_a_thousand'),
        sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index(op.f('ix_number_list_account_id'), 'number_list', ['account_id'])


def downgrade() -> None:
    for table, name in ORDERS:
        for level in PLACES:
            op.drop_index(f'{table}_{name}_{level}', table_name=table)
    for name in ('valid_until', 'province', 'city', 'county'):
        op.drop_index(f'instrument_{name}', table_name='instrument')
    op.drop_table('number_list')
    op.drop_table('saved_view')
