"""Supervision of institutions: their standing and versions, inspections and how they are drawn, gaps of ability."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

CONCLUDED = "state IN ('closed', 'to_recheck', 'to_rectify')"
KIND = "kind IN ('institution', 'standard', 'using_unit', 'instrument')"
CITY = "city_code = left(region_code, 4) || '00'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _institutions()
    _draws()
    _inspections()
    op.create_index('instrument_filed', 'instrument', ['city_code', 'region_code', 'catalogue_item_id'],
                    postgresql_where=sa.text("filing_state = 'filed' AND use_state <> 'scrapped'"))


def _institutions() -> None:
    for column in (
        sa.Column('authorized_from', sa.Date(), nullable=True),
        sa.Column('service_regions', postgresql.ARRAY(sa.String(length=6)), server_default=sa.text("'{}'"), nullable=False),
        sa.Column('legal_representative', sa.String(length=60), nullable=True),
        sa.Column('employees', sa.Integer(), nullable=True),
        sa.Column('verifiers', sa.Integer(), nullable=True),
        sa.Column('floor_area', sa.Integer(), nullable=True),
        sa.Column('standing', sa.String(length=20), server_default='in_service', nullable=False),
        sa.Column('standing_reason', sa.String(length=500), nullable=True),
    ):
        op.add_column('institution', column)
    op.create_check_constraint('known_standing', 'institution', "standing IN ('in_service', 'suspended', 'closed')")
    op.create_check_constraint('standing_has_reason', 'institution', "standing = 'in_service' OR coalesce(length(standing_reason), 0) >= 4")
    op.create_check_constraint('authorization_in_order', 'institution', 'authorized_from <= authorized_until')
    op.create_check_constraint('verifiers_are_employees', 'institution', 'employees >= verifiers')
    op.create_table('institution_version',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('action', sa.String(length=20), nullable=False),
        sa.Column('reason', sa.String(length=500), nullable=True),
        sa.Column('by_name', sa.String(length=60), nullable=False),
        sa.Column('by_organization', sa.String(length=200), nullable=False),
        sa.Column('facts', postgresql.JSONB(), nullable=False),
        sa.Column('institution_id', sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(['institution_id'], ['organization.id'], ),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('institution_id', 'number', name='one_version_per_number'),
    )


def _draws() -> None:
    op.create_table('inspection_draw',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('task', sa.String(length=100), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('planned_on', sa.Date(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('inspectors', sa.Integer(), nullable=False),
        sa.Column('seed', sa.String(length=64), nullable=False),
        sa.Column('conditions', postgresql.JSONB(), nullable=False),
        sa.Column('candidates', postgresql.JSONB(), nullable=False),
        sa.Column('pool', postgresql.JSONB(), nullable=False),
        sa.Column('drawn', postgresql.JSONB(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('by_id', sa.BigInteger(), nullable=True),
        sa.Column('by_name', sa.String(length=60), nullable=False),
        sa.Column('authority_id', sa.BigInteger(), nullable=False),
        sa.Column('city_code', sa.String(length=6), nullable=False),
        sa.Column('region_code', sa.String(length=6), nullable=False),
        sa.CheckConstraint(KIND, name='known_kind'),
        sa.CheckConstraint(CITY, name='city_of_region'),
        sa.CheckConstraint('number BETWEEN 1 AND jsonb_array_length(candidates)', name='as_many_as_there_are'),
        sa.CheckConstraint('inspectors BETWEEN 2 AND jsonb_array_length(pool)', name='two_inspectors'),
        sa.CheckConstraint('jsonb_array_length(drawn) = number', name='drawn_as_asked'),
        sa.ForeignKeyConstraint(['authority_id'], ['organization.id'], ),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('inspection_draw_of_city', 'inspection_draw', ['city_code', 'id'])
    op.create_index(op.f('ix_inspection_draw_authority_id'), 'inspection_draw', ['authority_id'])


def _inspections() -> None:
    op.create_table('inspection',
        sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('no', sa.String(length=30), nullable=False),
        sa.Column('draw_id', sa.BigInteger(), nullable=True),
        sa.Column('task', sa.String(length=100), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('standard_id', sa.BigInteger(), nullable=True),
        sa.Column('instrument_id', sa.BigInteger(), nullable=True),
        sa.Column('party', sa.String(length=200), nullable=False),
        sa.Column('target', sa.String(length=200), nullable=False),
        sa.Column('planned_on', sa.Date(), nullable=False),
        sa.Column('planned_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('planned_by', sa.String(length=60), nullable=False),
        sa.Column('inspectors', postgresql.JSONB(), nullable=False),
        sa.Column('state', sa.String(length=20), server_default='planned', nullable=False),
        sa.Column('reason', sa.String(length=500), nullable=True),
        sa.Column('inspected_on', sa.Date(), nullable=True),
        sa.Column('accompanied_by', sa.String(length=60), nullable=True),
        sa.Column('checklist', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column('findings', sa.String(length=2000), nullable=True),
        sa.Column('photos', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column('conclusion', sa.String(length=20), nullable=True),
        sa.Column('issues', sa.String(length=2000), nullable=True),
        sa.Column('due_on', sa.Date(), nullable=True),
        sa.Column('reminded', sa.String(length=10), nullable=True),
        sa.Column('statement', sa.String(length=2000), nullable=True),
        sa.Column('statement_by', sa.String(length=60), nullable=True),
        sa.Column('statement_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('statement_photos', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column('rechecked_on', sa.Date(), nullable=True),
        sa.Column('recheck', sa.String(length=500), nullable=True),
        sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('publication', sa.String(length=20), server_default='unpublished', nullable=False),
        sa.Column('published_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False),
        sa.Column('authority_id', sa.BigInteger(), nullable=False),
        sa.Column('party_id', sa.BigInteger(), nullable=False),
        sa.Column('concluded_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('city_code', sa.String(length=6), nullable=False),
        sa.Column('region_code', sa.String(length=6), nullable=False),
        sa.CheckConstraint("state IN ('planned', 'under_way', 'to_rectify', 'to_recheck', 'closed', 'cancelled')", name='known_state'),
        sa.CheckConstraint(KIND, name='known_kind'),
        sa.CheckConstraint("conclusion IS NULL OR conclusion IN ('conforms', 'does_not_conform', 'rectify', 'stop')", name='known_conclusion'),
        sa.CheckConstraint(CITY, name='city_of_region'),
        sa.CheckConstraint('jsonb_array_length(inspectors) >= 2', name='two_inspectors'),
        sa.CheckConstraint("(kind = 'standard') = (standard_id IS NOT NULL)", name='standard_if_inspected'),
        sa.CheckConstraint("(kind = 'instrument') = (instrument_id IS NOT NULL)", name='instrument_if_inspected'),
        sa.CheckConstraint(f'({CONCLUDED}) = (conclusion IS NOT NULL) AND ({CONCLUDED}) = (concluded_at IS NOT NULL)', name='concluded_with_conclusion'),
        sa.CheckConstraint(f'NOT ({CONCLUDED}) OR inspected_on IS NOT NULL', name='concluded_after_a_visit'),
        sa.CheckConstraint("conclusion IS NULL OR conclusion = 'conforms' OR coalesce(length(issues), 0) >= 4", name='issues_unless_it_conforms'),
        sa.CheckConstraint("conclusion NOT IN ('rectify', 'stop') OR due_on IS NOT NULL", name='orders_have_a_deadline'),
        sa.CheckConstraint("conclusion <> 'conforms' OR due_on IS NULL", name='nothing_to_rectify'),
        sa.CheckConstraint("state NOT IN ('to_rectify', 'to_recheck') OR due_on IS NOT NULL", name='open_with_deadline'),
        sa.CheckConstraint("state <> 'to_recheck' OR coalesce(length(statement), 0) >= 4", name='statement_before_recheck'),
        sa.CheckConstraint("state <> 'closed' OR due_on IS NULL OR rechecked_on IS NOT NULL", name='closed_by_recheck'),
        sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name='closed_has_time'),
        sa.CheckConstraint("state <> 'cancelled' OR coalesce(length(reason), 0) >= 4", name='reason_given'),
        sa.CheckConstraint("publication IN ('unpublished', 'published')", name='known_publication'),
        sa.CheckConstraint("(publication = 'published') = (published_at IS NOT NULL)", name='published_has_time'),
        sa.CheckConstraint(f"publication = 'unpublished' OR {CONCLUDED}", name='concluded_before_published'),
        sa.CheckConstraint("reminded IN ('near', 'past')", name='known_reminder'),
        sa.ForeignKeyConstraint(['authority_id'], ['organization.id'], ),
        sa.ForeignKeyConstraint(['party_id'], ['organization.id'], ),
        sa.ForeignKeyConstraint(['draw_id'], ['inspection_draw.id'], ),
        sa.ForeignKeyConstraint(['standard_id'], ['measurement_standard.id'], ),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('inspection_of_city', 'inspection', ['city_code', 'region_code', 'planned_on', 'id'])
    op.create_index('inspection_planned', 'inspection', ['planned_on', 'id'])
    op.create_index('inspection_no', 'inspection', ['no'], unique=True, postgresql_ops={'no': 'text_pattern_ops'})
    op.create_index('inspection_of_draw', 'inspection', ['draw_id'])
    op.create_index('inspection_due', 'inspection', ['due_on'], postgresql_where=sa.text("state IN ('to_recheck', 'to_rectify')"))
    op.create_index(op.f('ix_inspection_authority_id'), 'inspection', ['authority_id'])
    op.create_index(op.f('ix_inspection_party_id'), 'inspection', ['party_id'])


def downgrade() -> None:
    op.drop_index('instrument_filed', table_name='instrument')
    op.drop_table('inspection')
    op.drop_table('inspection_draw')
    op.drop_table('institution_version')
    for name in ('verifiers_are_employees', 'authorization_in_order', 'standing_has_reason', 'known_standing'):
        op.drop_constraint(name, 'institution')
    for name in ('standing_reason', 'standing', 'floor_area', 'verifiers', 'employees', 'legal_representative',
                 'service_regions', 'authorized_from'):
        op.drop_column('institution', name)
