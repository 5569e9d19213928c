"""Monthly reports: which statistics an account wants each month, and the last that was made and mailed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table('monthly_report',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('statistics', postgresql.JSONB(), nullable=False),
        sa.Column('region_code', sa.String(length=6), nullable=True),
        sa.Column('month', sa.Date(), nullable=False),
        sa.Column('job_id', sa.BigInteger(), nullable=True),
        sa.Column('mailed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.CheckConstraint('jsonb_array_length(statistics) > 0', name='some_statistics'),
        sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['job_id'], ['job.id'], ondelete='SET NULL'),
        sa.ForeignKeyConstraint(['region_code'], ['region.code']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('account_id', 'region_code', name='one_report_per_region',
                            postgresql_nulls_not_distinct=True),
    )
    op.create_index(op.f('ix_monthly_report_account_id'), 'monthly_report', ['account_id'])


def downgrade() -> None:
    op.drop_table('monthly_report')
