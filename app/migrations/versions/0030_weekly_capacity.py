"""What institutions can verify in a week, by kind; what they have open is counted by kind as well."""

import sqlalchemy as sa
from alembic import op

revision = '0030'
down_revision = '0022'
branch_labels = None
depends_on = None

COUNT = """
INSERT INTO tally (subject, city_code, region_code, catalogue_item_id, institution_id, state, amount, folded)
SELECT 'load', city_code, city_code, {kind}, institution_id, state, count(*), true
  FROM task
 WHERE state <> 'draft' AND institution_id IS NOT NULL
 GROUP BY city_code, {kind}, institution_id, state"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        'weekly_capacity',
        sa.Column('institution_id', sa.BigInteger(), nullable=False),
        sa.Column('catalogue_item_id', sa.BigInteger(), nullable=False),
        sa.Column('stated', sa.Integer(), nullable=True),
        sa.Column('learned', sa.Numeric(8, 1), nullable=True),
        sa.CheckConstraint('stated > 0', name='stated_is_positive'),
        sa.CheckConstraint('learned > 0', name='learned_is_positive'),
        sa.ForeignKeyConstraint(['institution_id'], ['organization.id']),
        sa.ForeignKeyConstraint(['catalogue_item_id'], ['catalogue_item.id']),
        sa.PrimaryKeyConstraint('institution_id', 'catalogue_item_id'),
    )
    op.execute("DELETE FROM tally WHERE subject = 'load'")
    op.execute(COUNT.format(kind='catalogue_item_id'))


def downgrade() -> None:
    op.execute("DELETE FROM tally WHERE subject = 'load'")
    op.execute(COUNT.format(kind='NULL::bigint'))
    op.drop_table('weekly_capacity')
