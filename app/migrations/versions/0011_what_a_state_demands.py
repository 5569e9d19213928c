"""What a state demands is demanded of what is empty, too; who wrote or submitted a standard does not review it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

ASKED = "state IN ('refused', 'returned')"
REASONS = (
    ('measurement_standard', 'reason_given', "state NOT IN ('sent_back', 'sealed', 'abolished')", 'reason'),
    ('capability', 'reason_given', "state <> 'rejected'", 'reason'),
    ('instrument', 'reason_given', "filing_state <> 'sent_back'", 'filing_reason'),
    ('task', 'reason_given', f'NOT ({ASKED})', 'reason'),
    ('result', 'failures_told', 'passed', 'failures'),
)
COMPLETE = ('name', 'code', 'certificate_no', 'issuer', 'public_certificate_no', 'public_issuer', 'service_area',
            'authorization_no', 'examined_by', 'measuring_range', 'uncertainty', 'category', 'keeper')  # fmt: skip


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, name, unless, column in REASONS:
        op.drop_constraint(name, table)
        # An empty reason used to be allowed, and made-up data had some.
        op.execute(f"UPDATE {table} SET {column} = '升级前未记录理由' "  # noqa: S608  our own words
                   f"WHERE NOT ({unless} OR coalesce(length({column}), 0) >= 2)")
        op.create_check_constraint(name, table, f"{unless} OR coalesce(length({column}), 0) >= 2")
    complete = ' AND '.join(f"coalesce({column}, '') <> ''" for column in COMPLETE)
    op.execute("UPDATE measurement_standard SET state = 'draft' "  # noqa: S608  our own words
               f"WHERE state = 'submitted' AND NOT ({complete})")
    op.create_check_constraint('nothing_is_missing', 'measurement_standard', f"state <> 'submitted' OR {complete}")
    op.create_index('measurement_standard_number', 'measurement_standard', ['institution_id', 'certificate_no'])
    op.create_index('inspection_published', 'inspection', ['published_at', 'id'],
                    postgresql_where=sa.text("publication = 'published'"))
    op.add_column('measurement_standard', sa.Column('authors', postgresql.ARRAY(sa.BigInteger()),
                                                    server_default=sa.text("'{}'"), nullable=False))
    op.execute('UPDATE measurement_standard SET authors = ARRAY[entered_by_id] WHERE entered_by_id IS NOT NULL')
    op.drop_column('measurement_standard', 'entered_by_id')


def downgrade() -> None:
    op.add_column('measurement_standard', sa.Column('entered_by_id', sa.BigInteger()))
    op.execute('UPDATE measurement_standard SET entered_by_id = authors[1]')
    op.drop_column('measurement_standard', 'authors')
    op.drop_index('inspection_published', table_name='inspection')
    op.drop_index('measurement_standard_number', table_name='measurement_standard')
    op.drop_constraint('nothing_is_missing', 'measurement_standard')
    for table, name, unless, column in REASONS:
        op.drop_constraint(name, table)
        op.create_check_constraint(name, table, f"{unless} OR length({column}) >= 2")
