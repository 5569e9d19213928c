"""Files of open data are handed out with what was taken back since, and no longer withdrawn for it."""

import sqlalchemy as sa
from alembic import op

revision = '0046'
down_revision = '0045'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DELETE FROM dump WHERE made_at < now() - interval '7 days'")
    op.drop_column('dump', 'revocations')


def downgrade() -> None:
    op.add_column('dump', sa.Column('revocations', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.alter_column('dump', 'revocations', server_default=None)
