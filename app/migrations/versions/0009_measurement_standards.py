"""Measurement standards with all that their certificates say, their versions, and the certificates that name them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

TEXTS = {'issuer': 100, 'public_issuer': 100, 'service_area': 200, 'authorization_no': 60, 'examined_by': 100, 'category': 20, 'keeper': 60}
STATES = "'draft', 'submitted', 'approved', 'sent_back'"
MORE = ", 'expired', 'sealed', 'abolished', 'superseded'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, length in TEXTS.items():
        op.add_column('measurement_standard', sa.Column(name, sa.String(length), server_default='', nullable=False))
    for column in (
        sa.Column('issued_on', sa.Date()), sa.Column('public_issued_on', sa.Date()), sa.Column('examined_with', sa.String(100)),
        sa.Column('rank', sa.String(10)), sa.Column('warn_days', sa.Integer()), sa.Column('remark', sa.String(500)),
        sa.Column('reason', sa.String(500)), sa.Column('replaces_id', sa.BigInteger()), sa.Column('entered_by_id', sa.BigInteger()),
        sa.Column('kinds', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False),
    ):
        op.add_column('measurement_standard', column)
    # A certificate holds for five years; what was sent back had been told why by other means.
    op.execute("UPDATE measurement_standard SET issued_on = valid_until - 1826, public_issued_on = public_valid_until - 1826")
    op.execute("UPDATE measurement_standard SET reason = '（未记录）' WHERE state = 'sent_back'")
    op.create_foreign_key(None, 'measurement_standard', 'measurement_standard', ['replaces_id'], ['id'])
    op.drop_constraint('known_state', 'measurement_standard')
    checks = {
        'known_state': f'state IN ({STATES}{MORE})',
        'known_rank': "rank IN ('highest', 'other')",
        'reason_given': "state NOT IN ('sent_back', 'sealed', 'abolished') OR length(reason) >= 2",
        'complete_if_submitted': "state IN ('draft', 'sent_back') OR issued_on IS NOT NULL AND public_issued_on IS NOT NULL",
        'validity_in_order': 'issued_on <= valid_until AND public_issued_on <= public_valid_until',
        'warned_in_time': 'warn_days BETWEEN 1 AND 1000',
        'supersedes_one': "state <> 'superseded' OR replaces_id IS NOT NULL",
    }
    for name, check in checks.items():
        op.create_check_constraint(name, 'measurement_standard', check)
    op.create_index('measurement_standard_of_institution', 'measurement_standard', ['institution_id', 'id'])
    op.create_index('measurement_standard_change', 'measurement_standard', ['replaces_id'], unique=True, postgresql_where=sa.text("state IN ('draft', 'submitted', 'sent_back')"))
    op.create_index('measurement_standard_to_review', 'measurement_standard', ['institution_id', 'id'], postgresql_where=sa.text("state = 'submitted'"))
    op.create_index('certificate_standards', 'certificate', ['standards'], postgresql_using='gin', postgresql_ops={'standards': 'jsonb_path_ops'})
    op.create_table('standard_document',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('standard_id', sa.BigInteger(), nullable=False),
        sa.Column('name', sa.String(length=120), nullable=False),
        sa.Column('kind', sa.String(length=10), nullable=False),
        sa.Column('size', sa.Integer(), nullable=False),
        sa.Column('file', sa.String(length=64), nullable=False),
        sa.Column('institution_id', sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(['institution_id'], ['organization.id']),
        sa.ForeignKeyConstraint(['standard_id'], ['measurement_standard.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index(op.f('ix_standard_document_standard_id'), 'standard_document', ['standard_id'])


def downgrade() -> None:
    op.drop_table('standard_document')
    op.drop_index('certificate_standards', table_name='certificate')
    for name in ('measurement_standard_to_review', 'measurement_standard_change', 'measurement_standard_of_institution'):
        op.drop_index(name, table_name='measurement_standard')
    for name in ('supersedes_one', 'warned_in_time', 'validity_in_order', 'complete_if_submitted', 'reason_given', 'known_rank', 'known_state'):
        op.drop_constraint(name, 'measurement_standard')
    op.execute(f"DELETE FROM measurement_standard WHERE state NOT IN ({STATES})")  # noqa: S608  our own words
    op.create_check_constraint('known_state', 'measurement_standard', f'state IN ({STATES})')
    for name in (*TEXTS, 'issued_on', 'public_issued_on', 'examined_with', 'rank', 'warn_days', 'remark', 'reason', 'replaces_id', 'entered_by_id', 'kinds', 'revision'):
        op.drop_column('measurement_standard', name)
