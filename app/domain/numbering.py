"""The ids of rows before they are written: their numbers (器具编号, 预约编号, 检查编号) hold them."""

from sqlalchemy import func, select

from app.models import db


def next_ids(table: str, count: int) -> list[int]:
    """Ids for new rows of a table, in order."""
    sequence = func.pg_get_serial_sequence(table, "id")
    each = select(func.nextval(sequence).label("id")).select_from(func.generate_series(1, count)).subquery()
    return list(db.session.scalar(select(func.array_agg(each.c.id))) or ())
