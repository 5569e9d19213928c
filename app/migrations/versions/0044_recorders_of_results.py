"""A result names the account that recorded it, which may be another person than the verifier it names."""

import sqlalchemy as sa
from alembic import op

revision = '0044'
down_revision = '0043'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column('result', sa.Column('recorder_id', sa.Integer(), nullable=True))
    op.create_foreign_key(op.f('fk_result_recorder_id_ab_user'), 'result', 'ab_user', ['recorder_id'], ['id'])


def downgrade() -> None:
    op.drop_column('result', 'recorder_id')
