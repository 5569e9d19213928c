"""Writing rows in bulk: COPY, tables without indexes while a large load runs, and identities after it."""

from collections.abc import Iterable
from io import StringIO
from typing import Any

NULL = "\\N"
# Tables that a large load fills; their foreign keys and secondary indexes are made once, at the end.
FILLED = ("organization", "using_unit", "instrument", "appointment", "task", "certificate", "event")
IDENTITIES = (
    "organization",
    "measurement_standard",
    "capability",
    "staff_member",
    "instrument",
    "appointment",
    "task",
    "certificate",
    "event",
    "inspection",
)


def copy(connection: Any, table: str, columns: str, lines: Iterable[str]) -> None:
    """Append lines in COPY's text format to a table."""
    names = ", ".join(columns.split())
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN", StringIO("".join(lines)))


def strip(connection: Any) -> list[str]:
    """Drop foreign keys, unique constraints and secondary indexes of the filled tables, and commit.

    Returns the statements that make them again, in the order in which they must be run.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DROPS, {"tables": list(FILLED)})
        drops, makes = zip(*cursor.fetchall(), strict=True)
        for statement in drops:
            cursor.execute(statement)
    connection.commit()
    return list(reversed(makes))


def dress(connection: Any, statements: list[str]) -> None:
    """Make again what `strip` dropped; each statement is a transaction."""
    connection.rollback()
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for statement in statements:
            cursor.execute(statement)
            connection.commit()
        cursor.execute("RESET maintenance_work_mem")
        connection.commit()


def analyze(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connection.commit()


# Foreign keys first, for they rest on unique constraints. The definition of a partitioned index says ONLY and
# would make it again without its partitions.
_DROPS = """
SELECT drops, makes FROM (
    SELECT CASE contype WHEN 'f' THEN 1 ELSE 2 END AS turn, conrelid::regclass::text AS place, conname::text AS name,
           format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname) AS drops,
           format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
               AS makes
    FROM pg_constraint
    WHERE conrelid::regclass::text = ANY(%(tables)s) AND contype IN ('f', 'u') AND conparentid = 0
    UNION ALL
    SELECT 3, tablename, indexname, format('DROP INDEX %%I', indexname),
           replace(indexdef, ' ON ONLY ', ' ON ')
    FROM pg_indexes JOIN pg_class ON pg_class.oid = format('%%I.%%I', schemaname, indexname)::regclass
    WHERE tablename = ANY(%(tables)s) AND schemaname = current_schema
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = pg_class.oid)
) AS objects
ORDER BY turn, place, name
"""


def set_identities(connection: Any) -> None:
    """Let the next row of each table get the number after the highest that was written."""
    with connection.cursor() as cursor:
        for table in IDENTITIES:
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608
            )
