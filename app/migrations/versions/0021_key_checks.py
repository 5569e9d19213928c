"""Keys outside the database are known again."""

import sqlalchemy as sa
from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table('key_check',
        sa.Column('value', sa.String(length=64), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.CheckConstraint("kind IN ('authority', 'data_key')", name='known_kind'),
        sa.PrimaryKeyConstraint('value'),
    )


def downgrade() -> None:
    op.drop_table('key_check')
