"""Jobs that the system asks for are told apart from a person's; a day begins once."""

import sqlalchemy as sa
from alembic import op

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column('job', sa.Column('by_system', sa.Boolean(), server_default=sa.text('false'), nullable=False))
    # What was written of a repeated run moved nothing, or stands in the events.
    op.execute('DELETE FROM clock_run later USING clock_run first WHERE first.day = later.day AND first.id < later.id')
    op.drop_index('clock_run_day', table_name='clock_run')
    op.create_unique_constraint('one_entry_for_each_day', 'clock_run', ['day'])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_constraint('one_entry_for_each_day', 'clock_run')
    op.create_index('clock_run_day', 'clock_run', ['day', 'id'])
    op.drop_column('job', 'by_system')
