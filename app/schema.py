"""Brings the tables up to date, and says in words why that cannot be done."""

import re
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg2.errors import CheckViolation, LockNotAvailable
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from app.models import db

MIGRATIONS = Path(__file__).parent / "migrations"
MOST_NAMED = 10
_ADD_CHECK = re.compile(
    r"ALTER TABLE (?P<table>\w+) ADD CONSTRAINT (?P<name>\w+) CHECK \((?P<condition>.*)\)", re.DOTALL
)


class SchemaProblem(Exception):
    """Why the tables stay as they were, in both languages."""


def alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def upgrade() -> None:
    """Run the missing migrations, each in a transaction; raise SchemaProblem if one cannot be run."""
    try:
        command.upgrade(alembic(), "head")
    except IntegrityError as error:
        if not isinstance(error.orig, CheckViolation):
            raise
        raise _violated(error) from error
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        raise SchemaProblem(
            "数据表正被其他程序使用，未作升级。请停止旧版本及其他任务后重试。\n"
            "Another program is using the tables; nothing was upgraded. Stop the old version and try again."
        ) from error
    except CommandError as error:
        if "Can't locate revision" not in str(error):
            raise
        newest = ScriptDirectory.from_config(alembic()).get_current_head()
        raise SchemaProblem(
            f"数据库由更新的版本写成，本程序只认识到 {newest}：请使用更新的程序，或恢复升级前的备份。\n"
            f"The database was written by a newer version; this program knows it up to {newest}. "
            "Use the newer program, or restore the backup from before the upgrade."
        ) from error


def _violated(error: IntegrityError) -> SchemaProblem:
    """Name the rows that a new constraint does not allow, as they were before the migration, which may mend some."""
    found = _ADD_CHECK.search(error.statement or "")
    if found is None:
        return SchemaProblem(str(error.orig))
    table, name, condition = found["table"], found["name"], found["condition"]
    db.session.rollback()
    against = f"FROM {table} WHERE NOT ({condition})"
    number = db.session.execute(text(f"SELECT count(*) {against}")).scalar_one()
    some = text(f"SELECT (row_to_json({table})->>'id')::bigint {against} ORDER BY 1 LIMIT {MOST_NAMED}")
    ids = ", ".join(str(id) for id in db.session.scalars(some))
    db.session.rollback()
    return SchemaProblem(
        f"表 {table} 有 {number} 行不符合约束 {name}（{condition}），未作升级。请先更正，id：{ids}。\n"
        f"{number} rows of {table} violate {name}; nothing was upgraded. Correct them first, ids: {ids}."
    )
