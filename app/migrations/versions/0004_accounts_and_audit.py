"""Accounts: sessions, passwords, second factor, keys, roles given; and the audit log, which only grows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


# Whoever owns the tables could still drop the trigger; the seals then tell what was changed.
ONLY_GROWS = """
CREATE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$
"""


def upgrade() -> None:
    op.create_table('attempt',
    sa.Column('key', sa.String(length=150), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('blocked_until', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('key')
    )
    op.create_index(op.f('ix_attempt_last_at'), 'attempt', ['last_at'], unique=False)
    op.create_table('audit_chain',
    sa.Column('chain', sa.String(length=2), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('seal', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('chain')
    )
    op.create_table('audit_entry',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('chain', sa.String(length=2), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('action', sa.String(length=40), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.Column('by_id', sa.BigInteger(), nullable=True),
    sa.Column('by_name', sa.String(length=128), nullable=False),
    sa.Column('by_organization', sa.String(length=200), nullable=False),
    sa.Column('address', sa.String(length=45), nullable=False),
    sa.Column('subject', sa.String(length=30), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=True),
    sa.Column('subject_name', sa.String(length=200), nullable=False),
    sa.Column('detail', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('seal', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('chain', 'number', name='one_entry_per_place_in_chain')
    )
    op.create_index('audit_entry_at', 'audit_entry', ['at', 'id'], unique=False)
    op.create_index('audit_entry_by', 'audit_entry', ['by_id', 'at'], unique=False)
    op.create_index('audit_entry_place', 'audit_entry', [sa.literal_column('left(region_code, 2)'), 'at', 'id'], unique=False)
    op.create_index('audit_entry_action', 'audit_entry', ['action', 'at', 'id'], unique=False)
    op.create_index('audit_entry_by_name', 'audit_entry', ['by_name', 'at'], unique=False, postgresql_ops={'by_name': 'text_pattern_ops'})
    op.create_index('audit_entry_subject_name', 'audit_entry', ['subject_name', 'at'], unique=False, postgresql_ops={'subject_name': 'text_pattern_ops'})
    op.create_index('audit_entry_subject', 'audit_entry', ['subject', 'subject_id', 'at'], unique=False)
    op.create_table('access_key',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('prefix', sa.String(length=12), nullable=False),
    sa.Column('key_hash', sa.String(length=64), nullable=False),
    sa.Column('scopes', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('key_hash')
    )
    op.create_index(op.f('ix_access_key_account_id'), 'access_key', ['account_id'], unique=False)
    op.create_table('account_session',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('confirmed', sa.Boolean(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_by', sa.String(length=30), nullable=True),
    sa.Column('address', sa.String(length=45), nullable=False),
    sa.Column('device', sa.String(length=300), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.CheckConstraint('(ended_at IS NULL) = (ended_by IS NULL)', name='ended_by_something'),
    sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('token_hash')
    )
    op.create_index(op.f('ix_account_session_account_id'), 'account_session', ['account_id'], unique=False)
    op.create_table('role_grant',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('role', sa.String(length=64), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('by_name', sa.String(length=60), nullable=False),
    sa.Column('by_organization', sa.String(length=200), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('account_id', 'role', name='one_grant_per_role')
    )
    op.create_index(op.f('ix_role_grant_account_id'), 'role_grant', ['account_id'], unique=False)
    op.create_table('used_password',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('hash', sa.String(length=256), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index(op.f('ix_used_password_account_id'), 'used_password', ['account_id'], unique=False)
    op.add_column('ab_user', sa.Column('registered_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False))
    op.add_column('ab_user', sa.Column('last_login_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('ab_user', sa.Column('password_changed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False))
    op.add_column('ab_user', sa.Column('password_due', sa.Boolean(), server_default=sa.text('false'), nullable=False))
    op.add_column('ab_user', sa.Column('totp_secret', sa.String(length=200), nullable=True))
    op.add_column('ab_user', sa.Column('totp_since', sa.DateTime(timezone=True), nullable=True))
    op.add_column('ab_user', sa.Column('totp_step', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('ab_user', sa.Column('recovery_codes', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False))
    op.add_column('ab_user', sa.Column('consented_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('ab_user', sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False))
    op.drop_constraint(op.f('ab_user_email_key'), 'ab_user', type_='unique')
    op.drop_column('ab_user', 'session_epoch')
    op.add_column('organization', sa.Column('merged_into_id', sa.BigInteger(), nullable=True))
    op.add_column('organization', sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False))
    op.create_foreign_key('organization_merged_into_id_fkey', 'organization', 'organization', ['merged_into_id'], ['id'])
    op.create_check_constraint('merged_is_not_active', 'organization', 'merged_into_id IS NULL OR NOT active')
    op.add_column('using_unit', sa.Column('licence_no', sa.String(length=60), nullable=True))
    op.add_column('ab_user', sa.Column('has_role', sa.Boolean(), server_default=sa.text('false'), nullable=False))
    op.execute("UPDATE ab_user SET has_role = true WHERE id IN (SELECT user_id FROM ab_user_role)")
    op.create_index('ab_user_registered', 'ab_user', ['registered_at', 'id'])
    op.create_index('ab_user_waiting', 'ab_user', ['registered_at', 'id'], postgresql_where=sa.text('NOT has_role'))
    op.create_index('ab_user_waiting_at', 'ab_user', ['organization_id'], postgresql_where=sa.text('NOT has_role'))
    op.create_index('ab_user_lower', 'ab_user', [sa.literal_column('lower(username)')])
    op.create_index('ab_user_role_holders', 'ab_user_role', ['role_id', 'user_id'])
    op.create_index('ab_user_begins', 'ab_user', ['username'], postgresql_ops={'username': 'text_pattern_ops'})
    op.create_index('ab_user_name_bigrams', 'ab_user', [sa.literal_column('bigrams(first_name)')], postgresql_using='gin')
    op.create_index('ab_user_name_trigrams', 'ab_user', ['first_name'], postgresql_using='gin', postgresql_ops={'first_name': 'gin_trgm_ops'})
    op.create_index('organization_home', 'organization', ['region_code', 'kind', 'level'], postgresql_ops={'region_code': 'text_pattern_ops'})
    op.execute(ONLY_GROWS)
    op.execute(
        "CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry "
        "FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"
    )


def downgrade() -> None:
    op.drop_index('ab_user_role_holders', table_name='ab_user_role')
    op.drop_column('ab_user', 'has_role')
    for index in ('ab_user_registered', 'ab_user_lower', 'ab_user_begins', 'ab_user_name_bigrams', 'ab_user_name_trigrams'):
        op.drop_index(index, table_name='ab_user')
    op.drop_index('organization_home', table_name='organization')
    op.drop_column('using_unit', 'licence_no')
    op.drop_constraint('merged_is_not_active', 'organization')
    op.drop_constraint('organization_merged_into_id_fkey', 'organization', type_='foreignkey')
    op.drop_column('organization', 'revision')
    op.drop_column('organization', 'merged_into_id')
    op.add_column('ab_user', sa.Column('session_epoch', sa.INTEGER(), server_default=sa.text('0'), autoincrement=False, nullable=False))
    op.create_unique_constraint(op.f('ab_user_email_key'), 'ab_user', ['email'], postgresql_nulls_not_distinct=False)
    op.drop_column('ab_user', 'revision')
    op.drop_column('ab_user', 'consented_at')
    op.drop_column('ab_user', 'recovery_codes')
    op.drop_column('ab_user', 'totp_step')
    op.drop_column('ab_user', 'totp_since')
    op.drop_column('ab_user', 'totp_secret')
    op.drop_column('ab_user', 'password_due')
    op.drop_column('ab_user', 'password_changed_at')
    op.drop_column('ab_user', 'last_login_at')
    op.drop_column('ab_user', 'registered_at')
    op.drop_index(op.f('ix_used_password_account_id'), table_name='used_password')
    op.drop_table('used_password')
    op.drop_index(op.f('ix_role_grant_account_id'), table_name='role_grant')
    op.drop_table('role_grant')
    op.drop_index(op.f('ix_account_session_account_id'), table_name='account_session')
    op.drop_table('account_session')
    op.drop_index(op.f('ix_access_key_account_id'), table_name='access_key')
    op.drop_table('access_key')
    for index in ('audit_entry_action', 'audit_entry_by_name', 'audit_entry_subject_name', 'audit_entry_subject'):
        op.drop_index(index, table_name='audit_entry')
    op.drop_index('audit_entry_place', table_name='audit_entry')
    op.drop_index('audit_entry_by', table_name='audit_entry')
    op.drop_index('audit_entry_at', table_name='audit_entry')
    op.drop_table('audit_entry')
    op.execute("DROP FUNCTION only_grows()")
    op.drop_table('audit_chain')
    op.drop_index(op.f('ix_attempt_last_at'), table_name='attempt')
    op.drop_table('attempt')
