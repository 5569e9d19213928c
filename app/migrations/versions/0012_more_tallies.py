"""Tallies of instruments, of certificates and of the work of institutions, by purpose and month; folded rows known."""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

RESULT = "CASE WHEN passed THEN 'passed' ELSE 'failed' END"
ISSUED = "date_trunc('month', timezone('Asia/Shanghai', issued_at))"
DONE = "date_trunc('month', timezone('Asia/Shanghai', at))"
KIND = 'SELECT i.catalogue_item_id FROM instrument i WHERE (i.id, i.city_code) = (t.instrument_id, t.city_code)'
IN_FORCE = "certificate t WHERE state = 'valid'"
WORK = "event WHERE subject = 'task' AND institution_id IS NOT NULL"
FILED = "instrument WHERE filing_state = 'filed'"
TO_VERIFY = f"{FILED} AND use_state = 'in_use'"
# Of each subject: kind, institution, purpose, month, state, and from where.
COUNTS = {
    'use': ('region_code', 'NULL', 'NULL', 'purpose', 'NULL', 'use_state', FILED),
    'due': ('region_code', 'NULL', 'NULL', 'NULL', 'NULL', 'verification_state', TO_VERIFY),
    'due_kind': ('region_code', 'catalogue_item_id', 'NULL', 'NULL', 'NULL', 'verification_state', TO_VERIFY),
    'result': ('region_code', 'NULL', 'NULL', 'NULL', ISSUED, RESULT, IN_FORCE),
    'result_kind': ('city_code', KIND, 'NULL', 'NULL', ISSUED, RESULT, IN_FORCE),
    'result_of': ('region_code', 'NULL', 'institution_id', 'NULL', ISSUED, RESULT, IN_FORCE),
    'work': ('region_code', 'NULL', 'institution_id', 'NULL', DONE, 'step', WORK),
}
SELECT = """
INSERT INTO tally (subject, city_code, region_code, catalogue_item_id, institution_id, purpose, month, state, amount,
                   folded)
SELECT '{subject}', c.*, count(*), true
  FROM (SELECT city_code, {region}, ({kind})::bigint, ({institution})::bigint, ({purpose})::text, ({month})::date,
               {state} FROM {rows}) c (city_code, region_code, kind, institution, purpose, month, state)
 GROUP BY 2, 3, 4, 5, 6, 7, 8"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column('tally', sa.Column('purpose', sa.String(20)))
    op.add_column('tally', sa.Column('month', sa.Date()))
    op.add_column('tally', sa.Column('folded', sa.Boolean(), server_default=sa.text('false'), nullable=False))
    names = ('region', 'kind', 'institution', 'purpose', 'month', 'state', 'rows')
    for subject, parts in COUNTS.items():
        op.execute(SELECT.format(subject=subject, **dict(zip(names, parts, strict=True))))
    op.create_index('tally_appended', 'tally', ['id'], postgresql_where=sa.text('NOT folded'))
    op.create_index('tally_of_subject', 'tally', ['subject', sa.text('left(city_code, 2)'), 'month'],
                    postgresql_include=['region_code', 'city_code', 'state', 'purpose', 'catalogue_item_id', 'amount'],
                    postgresql_where=sa.text("subject NOT IN ('place', 'kind', 'load')"))


def downgrade() -> None:
    op.drop_index('tally_of_subject', table_name='tally')
    op.drop_index('tally_appended', table_name='tally')
    op.execute("DELETE FROM tally WHERE subject NOT IN ('place', 'kind', 'load')")
    for column in ('folded', 'month', 'purpose'):
        op.drop_column('tally', column)
