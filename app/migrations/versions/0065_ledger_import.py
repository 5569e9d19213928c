"""Sheets that using units bring to their ledgers: how they are read, what they would do, what they did."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = '0065'
down_revision = '0064'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        'ledger_import',
        sa.Column('id', sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('by_name', sa.String(60), nullable=False),
        sa.Column('name', sa.String(200), nullable=False),
        sa.Column('file', sa.String(64), nullable=True),
        sa.Column('rows', sa.Integer(), nullable=True),
        sa.Column('settings', JSONB(), nullable=False),
        sa.Column('preview', JSONB(), nullable=True),
        sa.Column('job_id', sa.BigInteger(), nullable=True),
        sa.Column('numbers', JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column('entered', JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column('changed', JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('applied_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('undone_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('using_unit_id', sa.BigInteger(), nullable=False),
        sa.CheckConstraint('undone_at IS NULL OR applied_at IS NOT NULL', name='undone_after_applied'),
        sa.ForeignKeyConstraint(['account_id'], ['ab_user.id']),
        sa.ForeignKeyConstraint(['using_unit_id'], ['organization.id']),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ledger_import_of_using_unit', 'ledger_import', ['using_unit_id', 'id'])
    op.create_index('ledger_import_with_file', 'ledger_import', ['created_at'],
                    postgresql_where=sa.text('file IS NOT NULL'))


def downgrade() -> None:
    op.drop_table('ledger_import')
