"""The public portal: what it looks up by, and the nightly files of open data."""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

PUBLISHED = sa.text("publication <> 'unpublished'")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table('dump',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('amount', sa.BigInteger(), nullable=False),
        sa.Column('size', sa.BigInteger(), nullable=False),
        sa.Column('file', sa.String(length=64), nullable=False),
        sa.Column('since', sa.DateTime(timezone=True), nullable=False),
        sa.Column('revocations', sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('certificates', 'institutions', 'catalogue')", name='known_kind'),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('dump_of_kind', 'dump', ['kind', 'made_at'])
    op.create_index('organization_name_bigrams', 'organization', [sa.text('bigrams(name)')], postgresql_using='gin')
    op.create_index('instrument_serial_key', 'instrument', ['serial_key'])
    op.create_index('instrument_of_kind', 'instrument', ['catalogue_item_id', 'region_code', 'id'])
    op.create_index('certificate_published_by', 'certificate', ['institution_id', 'issued_at', 'id'], postgresql_where=PUBLISHED)
    op.create_index('certificate_published_verified', 'certificate', ['verified_on', 'id'], postgresql_where=PUBLISHED)
    op.create_index('event_revoked', 'event', ['at'], postgresql_where=sa.text("step = 'revoke'"))


def downgrade() -> None:
    op.drop_index('event_revoked', table_name='event')
    op.drop_index('certificate_published_verified', table_name='certificate')
    op.drop_index('certificate_published_by', table_name='certificate')
    op.drop_index('instrument_of_kind', table_name='instrument')
    op.drop_index('instrument_serial_key', table_name='instrument')
    op.drop_index('organization_name_bigrams', table_name='organization')
    op.drop_table('dump')
