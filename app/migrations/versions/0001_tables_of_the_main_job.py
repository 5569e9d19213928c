"""Tables of the main job"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


BIGRAMS = """
CREATE FUNCTION bigrams(term text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT coalesce(array_agg(DISTINCT substr(lower(term), n, 2)), '{}')
   FROM generate_series(1, length(term) - 1) AS n $$
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")
    op.execute(BIGRAMS)
    op.create_table('ab_group',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('label', sa.String(length=150), nullable=True),
    sa.Column('description', sa.String(length=512), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('name')
    )
    op.create_table('ab_permission',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('name')
    )
    op.create_table('ab_register_user',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('first_name', sa.String(length=64), nullable=False),
    sa.Column('last_name', sa.String(length=64), nullable=False),
    sa.Column('username', sa.String(length=128), nullable=False),
    sa.Column('password', sa.String(length=256), nullable=True),
    sa.Column('email', sa.String(length=320), nullable=False),
    sa.Column('registration_date', sa.DateTime(), nullable=True),
    sa.Column('registration_hash', sa.String(length=256), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('email'),
    sa.UniqueConstraint('username')
    )
    op.create_table('ab_role',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('name')
    )
    op.create_table('ab_view_menu',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=250), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('name')
    )
    op.create_table('captcha',
    sa.Column('token', sa.String(length=43), nullable=False),
    sa.Column('answer', sa.String(length=8), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('token')
    )
    op.create_index(op.f('ix_captcha_expires_at'), 'captcha', ['expires_at'], unique=False)
    op.create_table('catalogue_item',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('level', sa.Integer(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('parent_id', sa.BigInteger(), nullable=True),
    sa.Column('supervision', sa.String(length=3), nullable=True),
    sa.Column('verification_mode', sa.String(length=200), nullable=True),
    sa.Column('cycle_months', sa.Integer(), nullable=True),
    sa.Column('cycle_note', sa.String(length=100), nullable=True),
    sa.Column('scope', sa.String(length=500), nullable=True),
    sa.Column('source', sa.String(length=500), nullable=True),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('publication', sa.String(length=20), server_default='unpublished', nullable=False),
    sa.CheckConstraint("publication = 'unpublished' OR confirmed_at IS NOT NULL", name='confirmed_before_published'),
    sa.CheckConstraint("publication IN ('unpublished', 'published')", name='known_publication'),
    sa.CheckConstraint("supervision IN ('P', 'V', 'P+V')", name='known_supervision'),
    sa.CheckConstraint('(level = 2) = (parent_id IS NOT NULL)', name='parent_of_level_2'),
    sa.CheckConstraint('valid_until IS NULL OR valid_until >= valid_from', name='validity_in_order'),
    sa.ForeignKeyConstraint(['parent_id'], ['catalogue_item.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('level', 'number', 'valid_from')
    )
    op.create_index(op.f('ix_catalogue_item_parent_id'), 'catalogue_item', ['parent_id'], unique=False)
    op.create_table('event',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('subject', sa.String(length=20), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=False),
    sa.Column('step', sa.String(length=20), nullable=False),
    sa.Column('from_state', sa.String(length=20), nullable=True),
    sa.Column('to_state', sa.String(length=20), nullable=True),
    sa.Column('by_id', sa.BigInteger(), nullable=True),
    sa.Column('by_name', sa.String(length=60), nullable=False),
    sa.Column('by_organization_id', sa.BigInteger(), nullable=True),
    sa.Column('by_organization', sa.String(length=200), nullable=False),
    sa.Column('reason', sa.String(length=500), nullable=True),
    sa.Column('payload', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('using_unit_id', sa.BigInteger(), nullable=True),
    sa.Column('institution_id', sa.BigInteger(), nullable=True),
    sa.Column('city_code', sa.String(length=6), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.PrimaryKeyConstraint('id', 'city_code', 'at'),
    postgresql_partition_by='RANGE (at)'
    )
    op.create_index('event_of_subject', 'event', ['subject', 'subject_id', 'at'], unique=False)
    op.create_table('holiday',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('working', sa.Boolean(), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.PrimaryKeyConstraint('day')
    )
    op.create_table('region',
    sa.Column('code', sa.String(length=6), nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('full_name', sa.String(length=120), nullable=False),
    sa.Column('level', sa.String(length=10), nullable=False),
    sa.Column('parent_code', sa.String(length=6), nullable=True),
    sa.CheckConstraint("level IN ('nation', 'province', 'city', 'county')", name='known_level'),
    sa.ForeignKeyConstraint(['parent_code'], ['region.code'], ),
    sa.PrimaryKeyConstraint('code')
    )
    op.create_index('region_parent', 'region', ['parent_code', 'code'], unique=False)
    op.create_table('tally',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('subject', sa.String(length=20), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('catalogue_item_id', sa.BigInteger(), nullable=True),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('using_unit_id', sa.BigInteger(), nullable=True),
    sa.Column('institution_id', sa.BigInteger(), nullable=True),
    sa.Column('city_code', sa.String(length=6), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.PrimaryKeyConstraint('id', 'city_code')
    )
    op.create_index('tally_of_institution', 'tally', ['institution_id', 'state'], unique=False, postgresql_include=['amount'])
    op.create_index('tally_of_place', 'tally', ['subject', 'state', sa.literal_column('left(city_code, 2)'), 'region_code'], unique=False, postgresql_include=['amount', 'city_code', 'catalogue_item_id'])
    op.create_table('ab_group_role',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('group_id', sa.Integer(), nullable=True),
    sa.Column('role_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['group_id'], ['ab_group.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['role_id'], ['ab_role.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('group_id', 'role_id')
    )
    op.create_index('idx_group_id', 'ab_group_role', ['group_id'], unique=False)
    op.create_index('idx_group_role_id', 'ab_group_role', ['role_id'], unique=False)
    op.create_table('ab_permission_view',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('permission_id', sa.Integer(), nullable=False),
    sa.Column('view_menu_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['permission_id'], ['ab_permission.id'], ),
    sa.ForeignKeyConstraint(['view_menu_id'], ['ab_view_menu.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('permission_id', 'view_menu_id')
    )
    op.create_index('idx_permission_id', 'ab_permission_view', ['permission_id'], unique=False)
    op.create_index('idx_view_menu_id', 'ab_permission_view', ['view_menu_id'], unique=False)
    op.create_table('deadline',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('province_code', sa.String(length=6), nullable=False),
    sa.Column('delivery', sa.String(length=10), nullable=False),
    sa.Column('days', sa.Integer(), nullable=False),
    sa.Column('working_days', sa.Boolean(), nullable=False),
    sa.Column('basis', sa.String(length=200), nullable=False),
    sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.CheckConstraint("delivery IN ('sent', 'on_site')", name='known_delivery'),
    sa.CheckConstraint('days BETWEEN 1 AND 365', name='days_in_a_year'),
    sa.ForeignKeyConstraint(['province_code'], ['region.code'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('province_code', 'delivery', name='one_deadline_per_province_and_delivery')
    )
    op.create_table('organization',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('level', sa.String(length=10), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.Column('parent_id', sa.BigInteger(), nullable=True),
    sa.Column('path', sa.String(length=200), nullable=False),
    sa.Column('jurisdiction', sa.String(length=6), nullable=True),
    sa.Column('credit_code', sa.String(length=18), nullable=True),
    sa.Column('active', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.CheckConstraint("(kind = 'authority') = (jurisdiction IS NOT NULL)", name='jurisdiction_of_authorities'),
    sa.CheckConstraint("kind IN ('authority', 'institution', 'using_unit')", name='known_kind'),
    sa.CheckConstraint("level IN ('nation', 'province', 'city', 'county')", name='known_level'),
    sa.ForeignKeyConstraint(['parent_id'], ['organization.id'], ),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('credit_code')
    )
    op.create_index(op.f('ix_organization_parent_id'), 'organization', ['parent_id'], unique=False)
    op.create_index('organization_name_search', 'organization', ['name'], unique=False, postgresql_using='gin', postgresql_ops={'name': 'gin_trgm_ops'})
    op.create_index('organization_path', 'organization', ['path'], unique=False, postgresql_ops={'path': 'text_pattern_ops'})
    op.create_index('organization_region', 'organization', ['kind', 'region_code'], unique=False)
    op.create_table('ab_permission_view_role',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('permission_view_id', sa.Integer(), nullable=True),
    sa.Column('role_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['permission_view_id'], ['ab_permission_view.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['role_id'], ['ab_role.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('permission_view_id', 'role_id')
    )
    op.create_index('idx_permission_view_id', 'ab_permission_view_role', ['permission_view_id'], unique=False)
    op.create_index('idx_role_id', 'ab_permission_view_role', ['role_id'], unique=False)
    op.create_table('ab_user',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('first_name', sa.String(length=64), nullable=False),
    sa.Column('last_name', sa.String(length=64), nullable=False),
    sa.Column('username', sa.String(length=128), nullable=False),
    sa.Column('password', sa.String(length=256), nullable=True),
    sa.Column('active', sa.Boolean(), nullable=True),
    sa.Column('email', sa.String(length=320), nullable=False),
    sa.Column('last_login', sa.DateTime(), nullable=True),
    sa.Column('login_count', sa.Integer(), nullable=True),
    sa.Column('fail_login_count', sa.Integer(), nullable=True),
    sa.Column('created_on', sa.DateTime(), nullable=True),
    sa.Column('changed_on', sa.DateTime(), nullable=True),
    sa.Column('created_by_fk', sa.Integer(), nullable=True),
    sa.Column('changed_by_fk', sa.Integer(), nullable=True),
    sa.Column('organization_id', sa.BigInteger(), nullable=True),
    sa.Column('position', sa.String(length=60), nullable=True),
    sa.Column('phone', sa.String(length=30), nullable=True),
    sa.Column('session_epoch', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('demo', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('preferences', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.ForeignKeyConstraint(['changed_by_fk'], ['ab_user.id'], ),
    sa.ForeignKeyConstraint(['created_by_fk'], ['ab_user.id'], ),
    sa.ForeignKeyConstraint(['organization_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('email'),
    sa.UniqueConstraint('username')
    )
    op.create_index(op.f('ix_ab_user_organization_id'), 'ab_user', ['organization_id'], unique=False)
    op.create_table('appointment',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('no', sa.String(length=30), nullable=False),
    sa.Column('applied_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('applicant', sa.String(length=200), nullable=False),
    sa.Column('contact', sa.String(length=60), nullable=False),
    sa.Column('phone', sa.String(length=30), nullable=False),
    sa.Column('delivery', sa.String(length=10), nullable=False),
    sa.Column('wished_on', sa.Date(), nullable=True),
    sa.Column('remark', sa.String(length=500), nullable=True),
    sa.Column('using_unit_id', sa.BigInteger(), nullable=False),
    sa.Column('city_code', sa.String(length=6), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.CheckConstraint("city_code = left(region_code, 4) || '00'", name='city_of_region'),
    sa.CheckConstraint("delivery IN ('sent', 'on_site')", name='known_delivery'),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], ),
    sa.ForeignKeyConstraint(['using_unit_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('id', 'city_code'),
    sa.UniqueConstraint('city_code', 'no', name='one_appointment_no')
    )
    op.create_index('appointment_applicant_bigrams', 'appointment', [sa.literal_column('left(city_code, 2)'), 'city_code', sa.literal_column('bigrams(applicant)')], unique=False, postgresql_using='gin')
    op.create_index('appointment_applicant_trigrams', 'appointment', [sa.literal_column('left(city_code, 2)'), 'city_code', 'applicant'], unique=False, postgresql_using='gin', postgresql_ops={'applicant': 'gin_trgm_ops'})
    op.create_index('appointment_no', 'appointment', ['no'], unique=False, postgresql_ops={'no': 'text_pattern_ops'})
    op.create_index('appointment_of_using_unit', 'appointment', ['using_unit_id', sa.literal_column('applied_at DESC')], unique=False)
    op.create_table('institution',
    sa.Column('organization_id', sa.BigInteger(), nullable=False),
    sa.Column('designation', sa.String(length=20), nullable=False),
    sa.Column('authorization_no', sa.String(length=60), nullable=False),
    sa.Column('authorized_by', sa.String(length=200), nullable=False),
    sa.Column('authorized_until', sa.Date(), nullable=False),
    sa.Column('contact', sa.String(length=60), nullable=False),
    sa.Column('phone', sa.String(length=30), nullable=False),
    sa.Column('address', sa.String(length=200), nullable=False),
    sa.Column('mean_days', sa.Numeric(precision=6, scale=1), nullable=True),
    sa.Column('publication', sa.String(length=20), server_default='unpublished', nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(publication = 'published') = (published_at IS NOT NULL)", name='published_has_time'),
    sa.CheckConstraint("designation IN ('statutory', 'authorized', 'special')", name='known_designation'),
    sa.CheckConstraint("publication IN ('unpublished', 'published')", name='known_publication'),
    sa.ForeignKeyConstraint(['organization_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('organization_id')
    )
    op.create_table('instrument',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('instrument_no', sa.String(length=30), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('catalogue_item_id', sa.BigInteger(), nullable=False),
    sa.Column('model', sa.String(length=100), nullable=False),
    sa.Column('measuring_range', sa.String(length=100), nullable=False),
    sa.Column('range_low', sa.Numeric(precision=18, scale=6), nullable=False),
    sa.Column('range_high', sa.Numeric(precision=18, scale=6), nullable=False),
    sa.Column('range_unit', sa.String(length=20), nullable=False),
    sa.Column('accuracy_class', sa.String(length=50), nullable=False),
    sa.Column('accuracy_value', sa.Numeric(precision=12, scale=6), nullable=False),
    sa.Column('serial_no', sa.String(length=100), nullable=False),
    sa.Column('serial_key', sa.String(length=100), nullable=False),
    sa.Column('manufacturer', sa.String(length=200), nullable=False),
    sa.Column('origin', sa.String(length=10), nullable=False),
    sa.Column('use_place', sa.String(length=200), nullable=False),
    sa.Column('purpose', sa.String(length=20), nullable=False),
    sa.Column('delivery', sa.String(length=10), nullable=False),
    sa.Column('started_on', sa.Date(), nullable=True),
    sa.Column('type_approval_no', sa.String(length=60), nullable=True),
    sa.Column('cycle_months', sa.Integer(), nullable=True),
    sa.Column('last_verified_on', sa.Date(), nullable=True),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('use_state', sa.String(length=20), server_default='in_use', nullable=False),
    sa.Column('filing_state', sa.String(length=20), server_default='draft', nullable=False),
    sa.Column('verification_state', sa.String(length=20), server_default='unverified', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('using_unit_id', sa.BigInteger(), nullable=False),
    sa.Column('city_code', sa.String(length=6), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.CheckConstraint("city_code = left(region_code, 4) || '00'", name='city_of_region'),
    sa.CheckConstraint("delivery IN ('sent', 'on_site')", name='known_delivery'),
    sa.CheckConstraint("filing_state IN ('draft', 'pending', 'filed', 'sent_back')", name='known_filing_state'),
    sa.CheckConstraint("origin IN ('domestic', 'imported')", name='known_origin'),
    sa.CheckConstraint("purpose IN ('trade', 'safety', 'medical', 'environment')", name='known_purpose'),
    sa.CheckConstraint("use_state IN ('in_use', 'stopped', 'scrapped')", name='known_use_state'),
    sa.CheckConstraint("verification_state IN ('unverified', 'valid', 'due_soon', 'overdue', 'failed')", name='known_verification_state'),
    sa.CheckConstraint("verification_state NOT IN ('valid', 'due_soon', 'overdue') OR valid_until IS NOT NULL", name='verified_has_validity'),
    sa.CheckConstraint('range_low <= range_high', name='range_in_order'),
    sa.ForeignKeyConstraint(['catalogue_item_id'], ['catalogue_item.id'], ),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], ),
    sa.ForeignKeyConstraint(['using_unit_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('id', 'city_code'),
    sa.UniqueConstraint('city_code', 'manufacturer', 'serial_key', name='one_serial_per_manufacturer')
    )
    op.create_index('instrument_name_bigrams', 'instrument', [sa.literal_column('left(city_code, 2)'), 'city_code', sa.literal_column('bigrams(name)')], unique=False, postgresql_using='gin')
    op.create_index('instrument_name_trigrams', 'instrument', [sa.literal_column('left(city_code, 2)'), 'city_code', 'name'], unique=False, postgresql_using='gin', postgresql_ops={'name': 'gin_trgm_ops'})
    op.create_index('instrument_of_using_unit', 'instrument', ['using_unit_id', sa.literal_column('id DESC')], unique=False)
    op.create_index('instrument_serial_trigrams', 'instrument', [sa.literal_column('left(city_code, 2)'), 'city_code', 'serial_no'], unique=False, postgresql_using='gin', postgresql_ops={'serial_no': 'gin_trgm_ops'})
    op.create_table('measurement_standard',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('certificate_no', sa.String(length=60), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=False),
    sa.Column('public_certificate_no', sa.String(length=60), nullable=False),
    sa.Column('public_valid_until', sa.Date(), nullable=False),
    sa.Column('state', sa.String(length=20), server_default='draft', nullable=False),
    sa.Column('institution_id', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("state IN ('draft', 'submitted', 'approved', 'sent_back')", name='known_state'),
    sa.ForeignKeyConstraint(['institution_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('using_unit',
    sa.Column('organization_id', sa.BigInteger(), nullable=False),
    sa.Column('nature', sa.String(length=20), nullable=False),
    sa.Column('address', sa.String(length=200), nullable=False),
    sa.Column('contact', sa.String(length=60), nullable=False),
    sa.Column('phone', sa.String(length=30), nullable=False),
    sa.CheckConstraint("nature IN ('enterprise', 'sole_trader', 'public_institution', 'government', 'person')", name='known_nature'),
    sa.ForeignKeyConstraint(['organization_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('organization_id')
    )
    op.create_table('ab_api_key',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=256), nullable=False),
    sa.Column('key_hash', sa.String(length=256), nullable=False),
    sa.Column('lookup_hash', sa.String(length=256), nullable=True),
    sa.Column('key_prefix', sa.String(length=16), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('scopes', sa.Text(), nullable=True),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.Column('created_on', sa.DateTime(), nullable=True),
    sa.Column('expires_on', sa.DateTime(), nullable=True),
    sa.Column('revoked_on', sa.DateTime(), nullable=True),
    sa.Column('last_used_on', sa.DateTime(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['ab_user.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('lookup_hash'),
    sa.UniqueConstraint('uuid')
    )
    op.create_index('idx_api_key_lookup_hash', 'ab_api_key', ['lookup_hash'], unique=True)
    op.create_index('idx_api_key_prefix', 'ab_api_key', ['key_prefix'], unique=False)
    op.create_index('idx_api_key_user_id', 'ab_api_key', ['user_id'], unique=False)
    op.create_table('ab_user_group',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=True),
    sa.Column('group_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['group_id'], ['ab_group.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['ab_user.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('user_id', 'group_id')
    )
    op.create_index('idx_user_group_id', 'ab_user_group', ['group_id'], unique=False)
    op.create_index('idx_user_id', 'ab_user_group', ['user_id'], unique=False)
    op.create_table('ab_user_role',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=True),
    sa.Column('role_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['role_id'], ['ab_role.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['ab_user.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('user_id', 'role_id')
    )
    op.create_table('capability',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('catalogue_item_id', sa.BigInteger(), nullable=False),
    sa.Column('range_low', sa.Numeric(precision=18, scale=6), nullable=False),
    sa.Column('range_high', sa.Numeric(precision=18, scale=6), nullable=False),
    sa.Column('range_unit', sa.String(length=20), nullable=False),
    sa.Column('accuracy_class', sa.String(length=50), nullable=False),
    sa.Column('accuracy_value', sa.Numeric(precision=12, scale=6), nullable=False),
    sa.Column('regulation', sa.String(length=100), nullable=False),
    sa.Column('delivery', sa.String(length=10), nullable=False),
    sa.Column('standard_id', sa.BigInteger(), nullable=True),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=False),
    sa.Column('state', sa.String(length=20), server_default='pending', nullable=False),
    sa.Column('institution_id', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("delivery IN ('sent', 'on_site', 'both')", name='known_delivery'),
    sa.CheckConstraint("state IN ('pending', 'effective', 'rejected', 'expired')", name='known_state'),
    sa.CheckConstraint('range_low <= range_high', name='range_in_order'),
    sa.CheckConstraint('valid_from <= valid_until', name='validity_in_order'),
    sa.ForeignKeyConstraint(['catalogue_item_id'], ['catalogue_item.id'], ),
    sa.ForeignKeyConstraint(['institution_id'], ['organization.id'], ),
    sa.ForeignKeyConstraint(['standard_id'], ['measurement_standard.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('capability_effective', 'capability', ['catalogue_item_id', 'institution_id'], unique=False, postgresql_where=sa.text("state = 'effective'"))
    op.create_index('capability_of_institution', 'capability', ['institution_id', 'catalogue_item_id'], unique=False)
    op.create_table('task',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('appointment_id', sa.BigInteger(), nullable=False),
    sa.Column('instrument_id', sa.BigInteger(), nullable=False),
    sa.Column('catalogue_item_id', sa.BigInteger(), nullable=False),
    sa.Column('authority_id', sa.BigInteger(), nullable=False),
    sa.Column('applied_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('delivery', sa.String(length=10), nullable=False),
    sa.Column('state', sa.String(length=20), server_default='draft', nullable=False),
    sa.Column('state_since', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('previous_state', sa.String(length=20), nullable=True),
    sa.Column('previous_institution_id', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(length=500), nullable=True),
    sa.Column('forced', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('accepted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('using_unit_id', sa.BigInteger(), nullable=True),
    sa.Column('institution_id', sa.BigInteger(), nullable=True),
    sa.Column('city_code', sa.String(length=6), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.CheckConstraint("(state = 'certified') = (finished_at IS NOT NULL)", name='finished_if_certified'),
    sa.CheckConstraint("NOT (state IN ('accepted', 'certified', 'offered', 'to_approve', 'to_check', 'verifying')) OR institution_id IS NOT NULL", name='institution_from_offered_on'),
    sa.CheckConstraint("NOT (state IN ('refused', 'returned')) OR length(reason) >= 2", name='reason_given'),
    sa.CheckConstraint("NOT (state IN ('returned', 'unassigned')) OR institution_id IS NULL", name='no_institution_while_waiting'),
    sa.CheckConstraint("city_code = left(region_code, 4) || '00'", name='city_of_region'),
    sa.CheckConstraint("delivery IN ('sent', 'on_site')", name='known_delivery'),
    sa.CheckConstraint("state <> 'returned' OR previous_institution_id IS NOT NULL", name='returned_by_somebody'),
    sa.CheckConstraint("state IN ('draft', 'unassigned', 'offered', 'accepted', 'verifying', 'to_check', 'to_approve', 'certified', 'returned', 'refused', 'withdrawn')", name='known_state'),
    sa.ForeignKeyConstraint(['appointment_id', 'city_code'], ['appointment.id', 'appointment.city_code'], ),
    sa.ForeignKeyConstraint(['authority_id'], ['organization.id'], ),
    sa.ForeignKeyConstraint(['catalogue_item_id'], ['catalogue_item.id'], ),
    sa.ForeignKeyConstraint(['institution_id'], ['organization.id'], ),
    sa.ForeignKeyConstraint(['instrument_id', 'city_code'], ['instrument.id', 'instrument.city_code'], ),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], ),
    sa.ForeignKeyConstraint(['using_unit_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('id', 'city_code')
    )
    op.create_index('one_open_task_per_instrument', 'task', ['instrument_id', 'city_code'], unique=True, postgresql_where=sa.text("state IN ('accepted', 'offered', 'returned', 'to_approve', 'to_check', 'unassigned', 'verifying')"))
    op.create_index('task_of_appointment', 'task', ['appointment_id'], unique=False)
    op.create_index('task_of_institution', 'task', ['institution_id', 'state', 'applied_at', 'id'], unique=False)
    op.create_index('task_of_instrument', 'task', ['instrument_id', 'institution_id'], unique=False)
    op.create_index('task_of_using_unit', 'task', ['using_unit_id', 'applied_at', 'id'], unique=False)
    op.create_index('task_queue_city', 'task', ['city_code', 'applied_at', 'id'], unique=False, postgresql_where=sa.text("state IN ('returned', 'unassigned')"), postgresql_include=['authority_id'])
    op.create_index('task_queue_county', 'task', ['region_code', 'applied_at', 'id'], unique=False, postgresql_where=sa.text("state IN ('returned', 'unassigned')"), postgresql_include=['authority_id', 'city_code'])
    op.create_index('task_queue_desk', 'task', ['authority_id', 'applied_at', 'id'], unique=False, postgresql_where=sa.text("state IN ('returned', 'unassigned')"))
    op.create_index('task_queue_kind', 'task', ['catalogue_item_id', 'applied_at', 'id'], unique=False, postgresql_where=sa.text("state IN ('returned', 'unassigned')"))
    op.create_index('task_queue_nation', 'task', ['applied_at', 'id'], unique=False, postgresql_where=sa.text("state IN ('returned', 'unassigned')"), postgresql_include=['authority_id'])
    op.create_index('task_queue_province', 'task', [sa.literal_column('left(city_code, 2)'), 'applied_at', 'id'], unique=False, postgresql_where=sa.text("state IN ('returned', 'unassigned')"), postgresql_include=['authority_id', 'city_code'])
    op.create_table('certificate',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('task_id', sa.BigInteger(), nullable=False),
    sa.Column('instrument_id', sa.BigInteger(), nullable=False),
    sa.Column('no', sa.String(length=60), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('passed', sa.Boolean(), nullable=False),
    sa.Column('verified_on', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('regulation', sa.String(length=100), nullable=False),
    sa.Column('verifier', sa.String(length=60), nullable=False),
    sa.Column('checker', sa.String(length=60), nullable=False),
    sa.Column('approver', sa.String(length=60), nullable=False),
    sa.Column('state', sa.String(length=20), server_default='valid', nullable=False),
    sa.Column('publication', sa.String(length=20), server_default='unpublished', nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('using_unit_id', sa.BigInteger(), nullable=True),
    sa.Column('institution_id', sa.BigInteger(), nullable=True),
    sa.Column('city_code', sa.String(length=6), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.CheckConstraint("(kind = 'rejection') = NOT passed", name='rejection_if_failed'),
    sa.CheckConstraint("(publication = 'published') = (published_at IS NOT NULL)", name='published_has_time'),
    sa.CheckConstraint("city_code = left(region_code, 4) || '00'", name='city_of_region'),
    sa.CheckConstraint("kind IN ('verification', 'rejection')", name='known_kind'),
    sa.CheckConstraint("publication IN ('unpublished', 'published')", name='known_publication'),
    sa.CheckConstraint("state IN ('valid', 'void', 'replaced')", name='known_state'),
    sa.CheckConstraint('institution_id IS NOT NULL', name='issued_by_an_institution'),
    sa.CheckConstraint('passed OR valid_until IS NULL', name='no_validity_if_failed'),
    sa.CheckConstraint('verifier <> checker', name='checker_is_another_person'),
    sa.ForeignKeyConstraint(['institution_id'], ['organization.id'], ),
    sa.ForeignKeyConstraint(['instrument_id', 'city_code'], ['instrument.id', 'instrument.city_code'], ),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], ),
    sa.ForeignKeyConstraint(['task_id', 'city_code'], ['task.id', 'task.city_code'], ),
    sa.ForeignKeyConstraint(['using_unit_id'], ['organization.id'], ),
    sa.PrimaryKeyConstraint('id', 'city_code'),
    sa.UniqueConstraint('institution_id', 'no', 'city_code', name='one_certificate_no')
    )
    op.create_index('certificate_of_instrument', 'certificate', ['instrument_id'], unique=False)
    op.create_index('certificate_of_task', 'certificate', ['task_id'], unique=False)
    op.create_index('certificate_of_using_unit', 'certificate', ['using_unit_id', sa.literal_column('verified_on DESC')], unique=False)
    op.create_table('service_region',
    sa.Column('capability_id', sa.BigInteger(), nullable=False),
    sa.Column('region_code', sa.String(length=6), nullable=False),
    sa.ForeignKeyConstraint(['capability_id'], ['capability.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['region_code'], ['region.code'], ),
    sa.PrimaryKeyConstraint('capability_id', 'region_code')
    )
    op.create_index('service_region_place', 'service_region', ['region_code', 'capability_id'], unique=False)
    # Rows of a month without a partition of its own are kept too.
    op.execute("CREATE TABLE event_rest PARTITION OF event DEFAULT")


def downgrade() -> None:
    op.drop_index('service_region_place', table_name='service_region')
    op.drop_table('service_region')
    op.drop_index('certificate_of_using_unit', table_name='certificate')
    op.drop_index('certificate_of_task', table_name='certificate')
    op.drop_index('certificate_of_instrument', table_name='certificate')
    op.drop_table('certificate')
    op.drop_index('task_queue_province', table_name='task', postgresql_where=sa.text("state IN ('returned', 'unassigned')"), postgresql_include=['authority_id', 'city_code'])
    op.drop_index('task_queue_nation', table_name='task', postgresql_where=sa.text("state IN ('returned', 'unassigned')"), postgresql_include=['authority_id'])
    op.drop_index('task_queue_kind', table_name='task', postgresql_where=sa.text("state IN ('returned', 'unassigned')"))
    op.drop_index('task_queue_desk', table_name='task', postgresql_where=sa.text("state IN ('returned', 'unassigned')"))
    op.drop_index('task_queue_county', table_name='task', postgresql_where=sa.text("state IN ('returned', 'unassigned')"), postgresql_include=['authority_id', 'city_code'])
    op.drop_index('task_queue_city', table_name='task', postgresql_where=sa.text("state IN ('returned', 'unassigned')"), postgresql_include=['authority_id'])
    op.drop_index('task_of_using_unit', table_name='task')
    op.drop_index('task_of_instrument', table_name='task')
    op.drop_index('task_of_institution', table_name='task')
    op.drop_index('task_of_appointment', table_name='task')
    op.drop_index('one_open_task_per_instrument', table_name='task', postgresql_where=sa.text("state IN ('accepted', 'offered', 'returned', 'to_approve', 'to_check', 'unassigned', 'verifying')"))
    op.drop_table('task')
    op.drop_index('capability_of_institution', table_name='capability')
    op.drop_index('capability_effective', table_name='capability', postgresql_where=sa.text("state = 'effective'"))
    op.drop_table('capability')
    op.drop_table('ab_user_role')
    op.drop_index('idx_user_id', table_name='ab_user_group')
    op.drop_index('idx_user_group_id', table_name='ab_user_group')
    op.drop_table('ab_user_group')
    op.drop_index('idx_api_key_user_id', table_name='ab_api_key')
    op.drop_index('idx_api_key_prefix', table_name='ab_api_key')
    op.drop_index('idx_api_key_lookup_hash', table_name='ab_api_key')
    op.drop_table('ab_api_key')
    op.drop_table('using_unit')
    op.drop_table('measurement_standard')
    op.drop_index('instrument_serial_trigrams', table_name='instrument', postgresql_using='gin', postgresql_ops={'serial_no': 'gin_trgm_ops'})
    op.drop_index('instrument_of_using_unit', table_name='instrument')
    op.drop_index('instrument_name_trigrams', table_name='instrument', postgresql_using='gin', postgresql_ops={'name': 'gin_trgm_ops'})
    op.drop_index('instrument_name_bigrams', table_name='instrument', postgresql_using='gin')
    op.drop_table('instrument')
    op.drop_table('institution')
    op.drop_index('appointment_of_using_unit', table_name='appointment')
    op.drop_index('appointment_no', table_name='appointment', postgresql_ops={'no': 'text_pattern_ops'})
    op.drop_index('appointment_applicant_trigrams', table_name='appointment', postgresql_using='gin', postgresql_ops={'applicant': 'gin_trgm_ops'})
    op.drop_index('appointment_applicant_bigrams', table_name='appointment', postgresql_using='gin')
    op.drop_table('appointment')
    op.drop_index(op.f('ix_ab_user_organization_id'), table_name='ab_user')
    op.drop_table('ab_user')
    op.drop_index('idx_role_id', table_name='ab_permission_view_role')
    op.drop_index('idx_permission_view_id', table_name='ab_permission_view_role')
    op.drop_table('ab_permission_view_role')
    op.drop_index('organization_region', table_name='organization')
    op.drop_index('organization_path', table_name='organization', postgresql_ops={'path': 'text_pattern_ops'})
    op.drop_index('organization_name_search', table_name='organization', postgresql_using='gin', postgresql_ops={'name': 'gin_trgm_ops'})
    op.drop_index(op.f('ix_organization_parent_id'), table_name='organization')
    op.drop_table('organization')
    op.drop_table('deadline')
    op.drop_index('idx_view_menu_id', table_name='ab_permission_view')
    op.drop_index('idx_permission_id', table_name='ab_permission_view')
    op.drop_table('ab_permission_view')
    op.drop_index('idx_group_role_id', table_name='ab_group_role')
    op.drop_index('idx_group_id', table_name='ab_group_role')
    op.drop_table('ab_group_role')
    op.drop_index('tally_of_place', table_name='tally', postgresql_include=['amount', 'city_code', 'catalogue_item_id'])
    op.drop_index('tally_of_institution', table_name='tally', postgresql_include=['amount'])
    op.drop_table('tally')
    op.drop_index('region_parent', table_name='region')
    op.drop_table('region')
    op.drop_table('holiday')
    op.drop_index('event_of_subject', table_name='event')
    op.drop_table('event')
    op.drop_index(op.f('ix_catalogue_item_parent_id'), table_name='catalogue_item')
    op.drop_table('catalogue_item')
    op.drop_index(op.f('ix_captcha_expires_at'), table_name='captcha')
    op.drop_table('captcha')
    op.drop_table('ab_view_menu')
    op.drop_table('ab_role')
    op.drop_table('ab_register_user')
    op.drop_table('ab_permission')
    op.drop_table('ab_group')
    op.execute("DROP FUNCTION bigrams(text)")
