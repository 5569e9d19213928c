"""Made-up events of inspections had ids that events of tasks have: they get new ones."""

from alembic import op

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SELECT setval(pg_get_serial_sequence('event', 'id'), coalesce(max(id), 0) + 1, false) FROM event")
    op.execute("""
        UPDATE event SET id = nextval(pg_get_serial_sequence('event', 'id'))
        WHERE subject = 'inspection'
          AND EXISTS (SELECT FROM event AS other WHERE other.id = event.id AND other.subject <> 'inspection')
    """)


def downgrade() -> None:
    pass
