"""Manufacturer and serial number are compared however they are written; instruments that were entered twice are kept."""

import logging

import sqlalchemy as sa
from alembic import op

revision = '0061'
down_revision = '0060'
branch_labels = None
depends_on = None

MOST_NAMED = 10
log = logging.getLogger("app.schema")

# Of instruments that are the same, all but the first get their own id as `twin`.
TWINS = """
UPDATE instrument SET twin = same.id
FROM (SELECT id, city_code, instrument_no, manufacturer, serial_no,
             row_number() OVER w AS place, first_value(instrument_no) OVER w AS first
      FROM instrument
      WINDOW w AS (PARTITION BY city_code, same_text(manufacturer), same_text(serial_no) ORDER BY id)) AS same
WHERE same.place > 1 AND instrument.id = same.id AND instrument.city_code = same.city_code
RETURNING same.instrument_no, same.first, same.manufacturer, same.serial_no
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column('instrument', sa.Column('twin', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    _tell(sorted(op.get_bind().execute(sa.text(TWINS)).all()))
    op.drop_constraint('one_serial_per_manufacturer', 'instrument')
    op.execute(
        "CREATE UNIQUE INDEX one_serial_per_manufacturer"
        " ON instrument (city_code, same_text(manufacturer), same_text(serial_no), twin)"
    )
    op.execute("DROP INDEX instrument_serial_key")
    op.execute("CREATE INDEX instrument_serial_no ON instrument (same_text(serial_no))")
    op.drop_column('instrument', 'serial_key')


def _tell(twins: list[sa.Row]) -> None:
    if not twins:
        return
    named = "\n".join(f"{no} = {first}（{maker} {serial}）" for no, first, maker, serial in twins[:MOST_NAMED])
    log.warning(
        "%s 台器具与另一台的制造单位、出厂编号相同，只是写法不同；均已保留，请核对（SELECT * FROM instrument WHERE twin <> 0）。\n"
        "%s instruments have the same manufacturer and serial number as another one, written otherwise. All of them are"
        " kept; please look into them (SELECT * FROM instrument WHERE twin <> 0).\n%s",
        len(twins), len(twins), named,
    )  # fmt: skip


def downgrade() -> None:
    op.add_column('instrument', sa.Column('serial_key', sa.String(100)))
    op.execute("UPDATE instrument SET serial_key = upper(same_text(serial_no)) || CASE twin WHEN 0 THEN '' ELSE '#' || twin END")
    op.alter_column('instrument', 'serial_key', nullable=False)
    op.drop_index('instrument_serial_no', 'instrument')
    op.create_index('instrument_serial_key', 'instrument', ['serial_key'])
    op.execute("DROP INDEX one_serial_per_manufacturer")
    op.create_unique_constraint(
        'one_serial_per_manufacturer', 'instrument', ['city_code', 'manufacturer', 'serial_key']
    )
    op.drop_column('instrument', 'twin')
