"""Steps of tasks: what was done of them, in order for each kind of step of a province."""

import sqlalchemy as sa
from alembic import op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        'event_steps', 'event', [sa.text('left(city_code, 2)'), 'step', 'at', 'id'],
        postgresql_include=['city_code', 'region_code', 'institution_id'],
        postgresql_where=sa.text("subject = 'task'"),
    )


def downgrade() -> None:
    op.drop_index('event_steps', table_name='event')
