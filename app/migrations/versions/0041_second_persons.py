"""Deeds that wait for a second administrator; who gave a role is known by id."""

import sqlalchemy as sa
from alembic import op

revision = '0041'
down_revision = '0040'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column('role_grant', sa.Column('by_id', sa.BigInteger(), nullable=True))
    op.create_table('pending_deed',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('subject_id', sa.Integer(), nullable=False),
        sa.Column('action', sa.String(length=40), nullable=False),
        sa.Column('by_id', sa.BigInteger(), nullable=False),
        sa.Column('by_name', sa.String(length=60), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(['subject_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('subject_id', 'action', name='one_deed_of_a_kind'),
    )


def downgrade() -> None:
    op.drop_table('pending_deed')
    op.drop_column('role_grant', 'by_id')
