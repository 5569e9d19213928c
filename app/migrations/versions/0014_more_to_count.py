"""Tallies of what waits, runs out, ended late and of using units; the history of a certificate tells how long it took."""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

LOCAL = "timezone('Asia/Shanghai', {})"
DONE = f"date_trunc('month', {LOCAL.format('at')})"
APPROVED = "event WHERE subject = 'task' AND step = 'approve' AND payload IS NOT NULL"
WHEN = "CASE WHEN (payload ->> 'late')::boolean THEN 'late' ELSE 'in_time' END"
RUNS_OUT = "instrument WHERE filing_state = 'filed' AND use_state = 'in_use' AND valid_until IS NOT NULL"
MONTH = "date_trunc('month', valid_until)"
CYCLE = "coalesce(cycle_months, 0)::text"
APPLIED = f"({LOCAL.format('applied_at')})::date"
CITY = "left(region_code, 4) || '00'"
STATE = "CASE WHEN active THEN 'active' ELSE 'disabled' END"
UNITS = "organization WHERE kind = 'using_unit' AND merged_into_id IS NULL"
# Of each subject: city, region, kind, institution, month, state, what is summed up, and from where.
COUNTS = {
    'waiting': ('city_code', 'region_code', 'NULL', 'NULL', APPLIED, 'state', '1',
                "task WHERE state IN ('unassigned', 'returned')"),
    'filing': ('city_code', 'region_code', 'NULL', 'NULL', 'NULL', 'filing_state', '1',
               "instrument WHERE filing_state = 'pending'"),
    'runs_out': ('city_code', 'region_code', 'NULL', 'NULL', MONTH, CYCLE, '1', RUNS_OUT),
    'runs_out_kind': ('city_code', 'city_code', 'catalogue_item_id', 'NULL', MONTH, CYCLE, '1', RUNS_OUT),
    'work': ('city_code', 'region_code', 'NULL', 'NULL', DONE, 'step', '1',
             "event WHERE subject = 'task' AND institution_id IS NULL"),
    'ended': ('city_code', 'region_code', 'NULL', 'institution_id', DONE, WHEN, '1', APPROVED),
    'days': ('city_code', 'region_code', 'NULL', 'institution_id', DONE, WHEN, "(payload ->> 'days')::int", APPROVED),
    'work_city': ('city_code', 'city_code', 'NULL', 'NULL', DONE, 'step', '1', "event WHERE subject = 'task'"),
    'ended_city': ('city_code', 'city_code', 'NULL', 'NULL', DONE, WHEN, '1', APPROVED),
    'days_city': ('city_code', 'city_code', 'NULL', 'NULL', DONE, WHEN, "(payload ->> 'days')::int", APPROVED),
    'unit': (CITY, 'region_code', 'NULL', 'NULL', 'NULL', STATE, '1', UNITS),
}  # fmt: skip
NAMES = ('city', 'region', 'kind', 'institution', 'month', 'state', 'one', 'rows')
SELECT = """
INSERT INTO tally (subject, city_code, region_code, catalogue_item_id, institution_id, month, state, amount, folded)
SELECT '{subject}', city, region, kind, institution, month, state, sum(one), true
  FROM (SELECT {city}, {region}, ({kind})::bigint, ({institution})::bigint, ({month})::date, {state}, {one}
          FROM {rows}) c (city, region, kind, institution, month, state, one)
 GROUP BY city, region, kind, institution, month, state
HAVING sum(one) <> 0"""
# What the task still knows of a certificate of before.
TELL = """
UPDATE event e
   SET payload = jsonb_build_object(
           'late', coalesce((timezone('Asia/Shanghai', t.finished_at))::date > t.due_on, false),
           'days', (timezone('Asia/Shanghai', t.finished_at))::date
                   - (timezone('Asia/Shanghai', coalesce(t.received_at, t.accepted_at, t.finished_at)))::date)
  FROM task t
 WHERE e.subject = 'task' AND e.step = 'approve' AND e.payload IS NULL
   AND (t.id, t.city_code) = (e.subject_id, e.city_code) AND t.finished_at IS NOT NULL"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TELL)
    for subject, parts in COUNTS.items():
        op.execute(SELECT.format(subject=subject, **dict(zip(NAMES, parts, strict=True))))


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM tally WHERE subject = ANY(:names)").bindparams(
        names=['waiting', 'filing', 'runs_out', 'runs_out_kind', 'ended', 'days', 'work_city', 'ended_city', 'days_city', 'unit']))
    op.execute("DELETE FROM tally WHERE subject = 'work' AND institution_id IS NULL")
