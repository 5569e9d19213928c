"""A tally stands only in the indexes by which its subject is read: bulk steps append many."""

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make("subject IN ('place', 'kind')", 'institution_id IS NOT NULL')


def downgrade() -> None:
    _make(None, None)


def _make(of_place: str | None, of_institution: str | None) -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index('tally_of_place', table_name='tally')
    op.create_index(
        'tally_of_place', 'tally', ['subject', 'state', sa.literal_column('left(city_code, 2)'), 'region_code'],
        postgresql_include=['amount', 'city_code', 'catalogue_item_id'],
        postgresql_where=sa.text(of_place) if of_place else None,
    )
    op.drop_index('tally_of_institution', table_name='tally')
    op.create_index(
        'tally_of_institution', 'tally', ['institution_id', 'state'], postgresql_include=['amount'],
        postgresql_where=sa.text(of_institution) if of_institution else None,
    )
