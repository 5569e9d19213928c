"""The register of manufacturers: their names, present and former, by which an instrument is known again."""

import sqlalchemy as sa
from alembic import op

revision = '0062'
down_revision = '0061'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        'manufacturer',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('credit_code', sa.String(length=18), nullable=True),
        sa.Column('instruments', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
        sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('credit_code', name='one_manufacturer_per_credit_code'),
    )
    op.create_index('manufacturer_in_use', 'manufacturer', ['instruments', 'id'])
    op.execute("CREATE INDEX manufacturer_credit_code ON manufacturer (same_text(credit_code) text_pattern_ops)")
    op.create_table(
        'manufacturer_name',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('manufacturer_id', sa.BigInteger(), nullable=False),
        sa.Column('name', sa.String(length=200), nullable=False),
        sa.Column('present', sa.Boolean(), nullable=False),
        sa.Column('offered', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('instruments', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
        sa.Column('first_unit_id', sa.BigInteger(), nullable=True),
        sa.Column('newest_instrument_id', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
        sa.CheckConstraint("same_text(name) <> ''", name='name_says_something'),
        sa.ForeignKeyConstraint(['manufacturer_id'], ['manufacturer.id']),
        sa.PrimaryKeyConstraint('id'),
    )
    for index in (
        "UNIQUE INDEX one_manufacturer_per_name ON manufacturer_name (same_text(name))",
        "UNIQUE INDEX one_present_name ON manufacturer_name (manufacturer_id) WHERE present",
        "INDEX manufacturer_name_of ON manufacturer_name (manufacturer_id)",
        "INDEX manufacturer_name_of_unit ON manufacturer_name (first_unit_id) WHERE NOT offered",
        "INDEX manufacturer_name_begins ON manufacturer_name (same_text(name) text_pattern_ops) WHERE offered",
        "INDEX manufacturer_name_trigrams ON manufacturer_name USING gin (offered, same_text(name) gin_trgm_ops)",
        "INDEX manufacturer_name_bigrams ON manufacturer_name USING gin (offered, bigrams(same_text(name)))",
    ):
        op.execute(f"CREATE {index}")


def downgrade() -> None:
    op.drop_table('manufacturer_name')
    op.drop_table('manufacturer')
