"""Who registers for an unknown unit founds one that waits for its authority; a legal person may be of two kinds."""

import sqlalchemy as sa
from alembic import op

revision = '0042'
down_revision = '0041'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column('organization', sa.Column('awaiting_since', sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint('awaiting_is_not_active', 'organization', 'awaiting_since IS NULL OR NOT active')
    op.drop_constraint('organization_credit_code_key', 'organization')
    op.create_unique_constraint('one_credit_code_per_kind', 'organization', ['kind', 'credit_code'])
    op.create_index('ix_organization_credit_code', 'organization', ['credit_code'])
    op.create_index('organization_awaiting', 'organization', ['region_code', 'kind'],
                    postgresql_where=sa.text('awaiting_since IS NOT NULL'))


def downgrade() -> None:
    op.drop_index('organization_awaiting', table_name='organization')
    op.drop_index('ix_organization_credit_code', table_name='organization')
    op.drop_constraint('one_credit_code_per_kind', 'organization')
    op.create_unique_constraint('organization_credit_code_key', 'organization', ['credit_code'])
    op.drop_constraint('awaiting_is_not_active', 'organization')
    op.drop_column('organization', 'awaiting_since')
