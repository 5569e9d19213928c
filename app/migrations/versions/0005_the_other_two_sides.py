"""Using units book, institutions verify and certify; clockwork, notifications and jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


# 64 random bits: a version 4 UUID without its fixed digits.
CODE = "upper(left(replace(gen_random_uuid()::text, '-', ''), 12) || right(gen_random_uuid()::text, 4))"

CHECKS = (
    ('capability', 'known_state', "state IN ('draft', 'pending', 'effective', 'rejected', 'expired')"),
    ('capability', 'reason_given', "state <> 'rejected' OR length(reason) >= 2"),
    ('instrument', 'due_has_validity', "verification_state NOT IN ('due_soon', 'overdue') OR valid_until IS NOT NULL"),
    ('instrument', 'reason_given', "filing_state <> 'sent_back' OR length(filing_reason) >= 2"),
    ('certificate', 'reason_if_void', "(state = 'valid') = (void_reason IS NULL)"),
    ('certificate', 'known_verification', "verification_kind IN ('initial', 'subsequent', 'in_service')"),
    ('certificate', 'validity_in_order', "valid_until IS NULL OR valid_until >= verified_on"),
)
WERE = (
    ('capability', 'known_state', "state IN ('pending', 'effective', 'rejected', 'expired')"),
    ('instrument', 'verified_has_validity',
     "verification_state NOT IN ('valid', 'due_soon', 'overdue') OR valid_until IS NOT NULL"),
)


def upgrade() -> None:
    op.create_table('clock_run',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('moved', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('by_name', sa.String(length=60), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('clock_run_day', 'clock_run', ['day', 'id'], unique=False)
    op.create_table('workday',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('working', sa.Boolean(), nullable=False),
    sa.Column('ordinal', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('day')
    )
    op.create_index('workday_ordinal', 'workday', ['ordinal'], unique=True, postgresql_where=sa.text('working'))
    op.create_table('province_rule',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('province_code', sa.String(length=6), nullable=False),
    sa.Column('filing_reviewed', sa.Boolean(), nullable=False),
    sa.Column('answer_days', sa.Integer(), nullable=False),
    sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.CheckConstraint('answer_days BETWEEN 1 AND 60', name='answer_days_in_two_months'),
    sa.ForeignKeyConstraint(['province_code'], ['region.code'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('province_code')
    )
    op.create_table('certificate_number',
    sa.Column('institution_id', sa.BigInteger(), nullable=False),
    sa.Column('series', sa.String(length=40), nullable=False),
    sa.Column('last', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['institution_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('institution_id', 'series')
    )
    op.create_table('issuing_rule',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('pattern', sa.String(length=40), nullable=False),
    sa.Column('seal', sa.String(length=64), nullable=True),
    sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('institution_id', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['institution_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('institution_id', name='one_rule_per_institution')
    )
    op.create_table('job',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('state', sa.String(length=20), server_default='waiting', nullable=False),
    sa.Column('asked', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('done', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('total', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('message', sa.String(length=1000), nullable=True),
    sa.Column('file', sa.String(length=64), nullable=True),
    sa.Column('file_name', sa.String(length=200), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'broken', 'cancelled')", name='known_state'),
    sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index(op.f('ix_job_account_id'), 'job', ['account_id'], unique=False)
    op.create_index('job_of_account', 'job', ['account_id', 'id'], unique=False)
    op.create_table('notification',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('party', sa.String(length=20), nullable=False),
    sa.Column('subject', sa.String(length=20), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=True),
    sa.Column('amount', sa.Integer(), nullable=False),
    sa.Column('reason', sa.String(length=500), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('read_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('mailed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index(op.f('ix_notification_account_id'), 'notification', ['account_id'], unique=False)
    op.create_index('notification_of_account', 'notification', ['account_id', 'id'], unique=False)
    op.create_index('notification_unmailed', 'notification', ['id'], unique=False, postgresql_where=sa.text('mailed_at IS NULL'))
    op.create_index('notification_unread', 'notification', ['account_id'], unique=False, postgresql_where=sa.text('read_at IS NULL'))
    op.create_table('photo',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('instrument_id', sa.BigInteger(), nullable=False),
    sa.Column('file', sa.String(length=64), nullable=False),
    sa.Column('added_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('using_unit_id', sa.BigInteger(), nullable=False),
    sa.Column('city_code', sa.String(length=6), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.CheckConstraint("city_code = left(region_code, 4) || '00'", name='city_of_region'),
    sa.ForeignKeyConstraint(['instrument_id', 'city_code'], ['instrument.id', 'instrument.city_code'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], ),
    sa.ForeignKeyConstraint(['using_unit_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('id', 'city_code')
    )
    op.create_index('photo_of_instrument', 'photo', ['instrument_id'], unique=False)
    op.create_table('staff_member',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=True),
    sa.Column('approves', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('active', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('institution_id', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['ab_user.id'], ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['institution_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('account_id')
    )
    op.create_index('staff_of_institution', 'staff_member', ['institution_id', 'id'], unique=False)
    op.create_table('qualification',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('staff_member_id', sa.BigInteger(), nullable=False),
    sa.Column('certificate_no', sa.String(length=60), nullable=False),
    sa.Column('catalogue_item_ids', postgresql.ARRAY(sa.BigInteger()), nullable=False),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=False),
    sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('institution_id', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('valid_from <= valid_until', name='validity_in_order'),
    sa.ForeignKeyConstraint(['institution_id'], ['organization.id'], ),
    sa.ForeignKeyConstraint(['staff_member_id'], ['staff_member.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('institution_id', 'certificate_no', name='one_qualification_per_no')
    )
    op.create_index('qualification_of_staff', 'qualification', ['staff_member_id'], unique=False)
    op.create_table('result',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('task_id', sa.BigInteger(), nullable=False),
    sa.Column('verifier_id', sa.BigInteger(), nullable=False),
    sa.Column('checker_id', sa.BigInteger(), nullable=True),
    sa.Column('checker', sa.String(length=60), nullable=True),
    sa.Column('recorded_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('institution_id', sa.BigInteger(), nullable=False),
    sa.Column('city_code', sa.String(length=6), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.Column('passed', sa.Boolean(), nullable=False),
    sa.Column('verification_kind', sa.String(length=20), server_default=sa.text("'subsequent'"), nullable=False),
    sa.Column('verified_on', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('regulation', sa.String(length=100), nullable=False),
    sa.Column('standards', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
    sa.Column('temperature', sa.String(length=40), nullable=True),
    sa.Column('humidity', sa.String(length=40), nullable=True),
    sa.Column('place', sa.String(length=200), nullable=True),
    sa.Column('indications', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
    sa.Column('failures', sa.String(length=1000), nullable=True),
    sa.Column('verifier', sa.String(length=60), nullable=False),
    sa.CheckConstraint("city_code = left(region_code, 4) || '00'", name='city_of_region'),
    sa.CheckConstraint("verification_kind IN ('initial', 'subsequent', 'in_service')", name='known_verification'),
    sa.CheckConstraint('passed OR length(failures) >= 2', name='failures_told'),
    sa.CheckConstraint('passed OR valid_until IS NULL', name='no_validity_if_failed'),
    sa.CheckConstraint('valid_until IS NULL OR valid_until >= verified_on', name='validity_in_order'),
    sa.CheckConstraint('verifier <> checker', name='checker_is_another_person'),
    sa.CheckConstraint('verifier_id <> checker_id', name='checker_is_not_the_verifier'),
    sa.ForeignKeyConstraint(['checker_id'], ['staff_member.id'], ),
    sa.ForeignKeyConstraint(['institution_id'], ['organization.id'], ),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], ),
    sa.ForeignKeyConstraint(['task_id', 'city_code'], ['task.id', 'task.city_code'], ),
    sa.ForeignKeyConstraint(['verifier_id'], ['staff_member.id'], ),
    sa.PrimaryKeyConstraint('id', 'city_code'),
    sa.UniqueConstraint('task_id', 'city_code', name='one_result_per_task')
    )
    op.add_column('capability', sa.Column('reason', sa.String(length=500), nullable=True))
    op.add_column('capability', sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False))
    op.add_column('catalogue_item', sa.Column('range_units', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False))
    op.add_column('catalogue_item', sa.Column('accuracy_classes', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False))
    op.add_column('certificate', sa.Column('code', sa.String(length=16), server_default=sa.text(CODE), nullable=False))
    op.add_column('certificate', sa.Column('issued_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False))
    op.add_column('certificate', sa.Column('about', postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column('certificate', sa.Column('file', sa.String(length=64), nullable=True))
    op.add_column('certificate', sa.Column('replaces_id', sa.BigInteger(), nullable=True))
    op.add_column('certificate', sa.Column('void_reason', sa.String(length=500), nullable=True))
    op.add_column('certificate', sa.Column('verification_kind', sa.String(length=20), server_default=sa.text("'subsequent'"), nullable=False))
    op.add_column('certificate', sa.Column('standards', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False))
    op.add_column('certificate', sa.Column('temperature', sa.String(length=40), nullable=True))
    op.add_column('certificate', sa.Column('humidity', sa.String(length=40), nullable=True))
    op.add_column('certificate', sa.Column('place', sa.String(length=200), nullable=True))
    op.add_column('certificate', sa.Column('indications', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False))
    op.add_column('certificate', sa.Column('failures', sa.String(length=1000), nullable=True))
    op.drop_index(op.f('certificate_of_using_unit'), table_name='certificate')
    op.create_index('certificate_of_using_unit', 'certificate', ['using_unit_id', 'verified_on', 'id'], unique=False)
    op.create_index('certificate_no', 'certificate', ['no'], unique=False, postgresql_ops={'no': 'text_pattern_ops'})
    op.create_index('certificate_of_institution', 'certificate', ['institution_id', 'verified_on', 'id'], unique=False)
    op.create_index('certificate_without_file', 'certificate', ['institution_id', 'id'], unique=False, postgresql_where=sa.text('file IS NULL AND about IS NOT NULL'))
    op.add_column('holiday', sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False))
    op.add_column('holiday', sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False))
    op.drop_constraint('holiday_pkey', 'holiday')
    op.create_primary_key('holiday_pkey', 'holiday', ['id'])
    op.create_unique_constraint('holiday_day_key', 'holiday', ['day'])
    op.add_column('instrument', sa.Column('filing_reason', sa.String(length=500), nullable=True))
    op.add_column('instrument', sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False))
    op.create_index('instrument_due', 'instrument', ['using_unit_id', 'valid_until', 'id'], unique=False, postgresql_where=sa.text("verification_state IN ('due_soon', 'overdue', 'valid') AND use_state = 'in_use'"))
    op.create_index('instrument_no', 'instrument', ['instrument_no'], unique=False, postgresql_ops={'instrument_no': 'text_pattern_ops'})
    op.create_index('instrument_pending', 'instrument', ['city_code', 'region_code', 'id'], unique=False, postgresql_where=sa.text("filing_state = 'pending'"))
    op.create_index('instrument_runs_out', 'instrument', ['valid_until'], unique=False, postgresql_where=sa.text("verification_state IN ('due_soon', 'overdue', 'valid') AND use_state = 'in_use'"))
    op.add_column('measurement_standard', sa.Column('measuring_range', sa.String(length=200), nullable=True))
    op.add_column('measurement_standard', sa.Column('uncertainty', sa.String(length=200), nullable=True))
    op.add_column('task', sa.Column('received_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('task', sa.Column('planned_on', sa.Date(), nullable=True))
    op.add_column('task', sa.Column('due_on', sa.Date(), nullable=True))
    op.create_index('task_due', 'task', ['institution_id', 'due_on', 'id'], unique=False, postgresql_where=sa.text("state IN ('accepted', 'offered', 'to_approve', 'to_check', 'verifying')"))
    op.alter_column('capability', 'state', server_default='draft')
    op.execute("UPDATE instrument SET filing_reason = '退回补正' WHERE filing_state = 'sent_back'")
    for table, name, _ in WERE:
        op.drop_constraint(name, table)
    for table, name, condition in CHECKS:
        op.create_check_constraint(name, table, condition)


def downgrade() -> None:
    for table, name, _ in CHECKS:
        op.drop_constraint(name, table)
    op.execute("UPDATE capability SET state = 'pending' WHERE state = 'draft'")
    op.alter_column('capability', 'state', server_default='pending')
    for table, name, condition in WERE:
        op.create_check_constraint(name, table, condition)
    op.drop_index('task_due', table_name='task', postgresql_where=sa.text("state IN ('accepted', 'offered', 'to_approve', 'to_check', 'verifying')"))
    op.drop_column('task', 'due_on')
    op.drop_column('task', 'planned_on')
    op.drop_column('task', 'received_at')
    op.drop_column('measurement_standard', 'uncertainty')
    op.drop_column('measurement_standard', 'measuring_range')
    op.drop_index('instrument_runs_out', table_name='instrument', postgresql_where=sa.text("verification_state IN ('due_soon', 'overdue', 'valid') AND use_state = 'in_use'"))
    op.drop_index('instrument_pending', table_name='instrument', postgresql_where=sa.text("filing_state = 'pending'"))
    op.drop_index('instrument_no', table_name='instrument', postgresql_ops={'instrument_no': 'text_pattern_ops'})
    op.drop_index('instrument_due', table_name='instrument', postgresql_where=sa.text("verification_state IN ('due_soon', 'overdue', 'valid') AND use_state = 'in_use'"))
    op.drop_column('instrument', 'revision')
    op.drop_column('instrument', 'filing_reason')
    op.drop_constraint('holiday_day_key', 'holiday', type_='unique')
    op.drop_constraint('holiday_pkey', 'holiday')
    op.create_primary_key('holiday_pkey', 'holiday', ['day'])
    op.drop_column('holiday', 'revision')
    op.drop_column('holiday', 'id')
    op.drop_index('certificate_without_file', table_name='certificate', postgresql_where=sa.text('file IS NULL AND about IS NOT NULL'))
    op.drop_index('certificate_of_institution', table_name='certificate')
    op.drop_index('certificate_no', table_name='certificate', postgresql_ops={'no': 'text_pattern_ops'})
    op.drop_index('certificate_of_using_unit', table_name='certificate')
    op.create_index(op.f('certificate_of_using_unit'), 'certificate', ['using_unit_id', sa.literal_column('verified_on DESC')], unique=False)
    op.drop_column('certificate', 'failures')
    op.drop_column('certificate', 'indications')
    op.drop_column('certificate', 'place')
    op.drop_column('certificate', 'humidity')
    op.drop_column('certificate', 'temperature')
    op.drop_column('certificate', 'standards')
    op.drop_column('certificate', 'verification_kind')
    op.drop_column('certificate', 'void_reason')
    op.drop_column('certificate', 'replaces_id')
    op.drop_column('certificate', 'file')
    op.drop_column('certificate', 'about')
    op.drop_column('certificate', 'issued_at')
    op.drop_column('certificate', 'code')
    op.drop_column('catalogue_item', 'accuracy_classes')
    op.drop_column('catalogue_item', 'range_units')
    op.drop_column('capability', 'revision')
    op.drop_column('capability', 'reason')
    op.drop_table('result')
    op.drop_index('qualification_of_staff', table_name='qualification')
    op.drop_table('qualification')
    op.drop_index('staff_of_institution', table_name='staff_member')
    op.drop_table('staff_member')
    op.drop_index('photo_of_instrument', table_name='photo')
    op.drop_table('photo')
    op.drop_index('notification_unread', table_name='notification', postgresql_where=sa.text('read_at IS NULL'))
    op.drop_index('notification_unmailed', table_name='notification', postgresql_where=sa.text('mailed_at IS NULL'))
    op.drop_index('notification_of_account', table_name='notification')
    op.drop_index(op.f('ix_notification_account_id'), table_name='notification')
    op.drop_table('notification')
    op.drop_index('job_of_account', table_name='job')
    op.drop_index(op.f('ix_job_account_id'), table_name='job')
    op.drop_table('job')
    op.drop_table('issuing_rule')
    op.drop_table('certificate_number')
    op.drop_table('province_rule')
    op.drop_index('workday_ordinal', table_name='workday', postgresql_where=sa.text('working'))
    op.drop_table('workday')
    op.drop_index('clock_run_day', table_name='clock_run')
    op.drop_table('clock_run')
