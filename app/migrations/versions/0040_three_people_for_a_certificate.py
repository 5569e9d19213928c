"""Keep who verified, checked and approved a certificate by id: three different people, whatever they are called.

Certificates issued before keep their names alone: who these people were on the staff was not written down. `flask verify`
names those of them that one person verified and approved.
"""

import sqlalchemy as sa
from alembic import op

revision = '0040'
down_revision = '0031'
branch_labels = None
depends_on = None

PEOPLE = ('verifier_id', 'checker_id', 'approver_id')
CHECKS = {
    'all_three_or_none': f"num_nonnulls({', '.join(PEOPLE)}) IN (0, 3)",
    'three_people': 'verifier_id <> checker_id AND verifier_id <> approver_id AND checker_id <> approver_id',
    'three_names': 'approver_id IS NULL OR approver NOT IN (verifier, checker)',
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in PEOPLE:
        op.add_column('certificate', sa.Column(name, sa.BigInteger(), sa.ForeignKey('staff_member.id')))
    for name, condition in CHECKS.items():
        op.create_check_constraint(name, 'certificate', condition)


def downgrade() -> None:
    for name in CHECKS:
        op.drop_constraint(name, 'certificate')
    for name in PEOPLE:
        op.drop_column('certificate', name)
