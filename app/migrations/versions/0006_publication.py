"""Publication: what waits for it by place, rules for doing it at once, and the catalogue's own moment."""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

PLACES = {
    'county': ['region_code'],
    'city': ['city_code'],
    'province': [sa.text('left(city_code, 2)')],
    'nation': [],
}
WHICH = {'to_publish': "publication = 'unpublished'", 'published': "publication <> 'unpublished'"}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table('publication_rule',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('authority_id', sa.BigInteger(), nullable=False),
        sa.Column('automatic', sa.Boolean(), nullable=False),
        sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False),
        sa.ForeignKeyConstraint(['authority_id'], ['organization.id'], ),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('authority_id'),
    )
    op.add_column('catalogue_item', sa.Column('published_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('catalogue_item', sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False))
    op.execute("UPDATE catalogue_item SET published_at = now() WHERE publication = 'published'")
    op.create_check_constraint('published_has_time', 'catalogue_item', "(publication = 'published') = (published_at IS NOT NULL)")
    for level, place in PLACES.items():
        for name, which in WHICH.items():
            op.create_index(f'certificate_{name}_{level}', 'certificate', [*place, 'issued_at', 'id'], postgresql_where=sa.text(which))
    op.create_index('event_at', 'event', ['at'], postgresql_using='brin')


def downgrade() -> None:
    op.drop_index('event_at', table_name='event')
    for level in PLACES:
        for name in WHICH:
            op.drop_index(f'certificate_{name}_{level}', table_name='certificate')
    op.drop_constraint('published_has_time', 'catalogue_item')
    op.drop_column('catalogue_item', 'revision')
    op.drop_column('catalogue_item', 'published_at')
    op.drop_table('publication_rule')
