"""The ends of the audit chains only grow, and say up to where entries were sent away."""

import sqlalchemy as sa
from alembic import op

revision = '0043'
down_revision = '0042'
branch_labels = None
depends_on = None

GROWS = """
CREATE FUNCTION chain_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.chain = OLD.chain AND NEW.number >= OLD.number THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_chain only grows';
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column('audit_chain', sa.Column('sent', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.execute(GROWS)
    op.execute('CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON audit_chain '
               'FOR EACH ROW EXECUTE FUNCTION chain_only_grows()')
    op.execute('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_chain '
               'FOR EACH STATEMENT EXECUTE FUNCTION chain_only_grows()')


def downgrade() -> None:
    op.execute('DROP TRIGGER never_emptied ON audit_chain')
    op.execute('DROP TRIGGER only_grows ON audit_chain')
    op.execute('DROP FUNCTION chain_only_grows()')
    op.drop_column('audit_chain', 'sent')
