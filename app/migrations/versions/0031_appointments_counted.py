"""Appointments are counted when they are submitted; of what is submitted it is counted apart what found no institution."""

import sqlalchemy as sa
from alembic import op

revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None

MONTH = "date_trunc('month', timezone('Asia/Shanghai', {}))::date"
BOOKED = """
INSERT INTO tally (subject, city_code, region_code, month, state, amount, folded)
SELECT 'booked', city_code, region_code, {month}, 'booked', count(*), true
  FROM appointment WHERE submitted GROUP BY city_code, region_code, 4"""
STEP = "CASE WHEN to_state = 'unassigned' THEN step || '_unmatched' ELSE step END"
WORK = """
INSERT INTO tally (subject, city_code, region_code, institution_id, month, state, amount, folded)
SELECT '{subject}', city_code, {region}, {institution}, {month}, {state}, count(*), true
  FROM event WHERE subject = 'task' AND step IN ('submit', 'resubmit')
 GROUP BY city_code, 3, 4, 5, 6"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column('appointment', sa.Column('submitted', sa.Boolean(), server_default=sa.text('false'), nullable=False))
    op.execute("""
        UPDATE appointment a SET submitted = true
         WHERE EXISTS (SELECT FROM task t WHERE t.appointment_id = a.id AND t.city_code = a.city_code AND t.state <> 'draft')
    """)
    op.execute(BOOKED.format(month=MONTH.format('applied_at')))
    _recount(STEP)


def downgrade() -> None:
    _recount('step')
    op.execute("DELETE FROM tally WHERE subject = 'booked'")
    op.drop_column('appointment', 'submitted')


def _recount(state: str) -> None:
    op.execute("""
        DELETE FROM tally WHERE subject IN ('work', 'work_city')
           AND state IN ('submit', 'resubmit', 'submit_unmatched', 'resubmit_unmatched')
    """)
    month = MONTH.format('at')
    for subject, region, institution in (('work', 'region_code', 'institution_id'), ('work_city', 'city_code', 'NULL::bigint')):
        op.execute(WORK.format(subject=subject, region=region, institution=institution, month=month, state=state))
