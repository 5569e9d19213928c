"""How a value is shown: on the page by `show`, in a sheet by an SQL expression of the same meaning.

What shows codes as words, or days in colour, brings its expression along as `sheet`.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import ColumnElement, Date, DateTime, case, cast, func, null

from app.persons import Name, OfficeTelephone, Telephone

ZONE = "Asia/Shanghai"
Show = Callable[[Any], Any]
Sheet = Callable[[Any], ColumnElement[Any]]


def plain(value: Any) -> Any:
    return "" if value is None else value


def moment(value: datetime | None) -> str:
    """Local time to the minute."""
    return value.astimezone(ZoneInfo(ZONE)).strftime("%Y-%m-%d %H:%M") if value else ""


def day(value: date | None) -> str:
    return value.isoformat() if value else ""


def yes_no(value: bool | None) -> str:
    return "" if value is None else (_("Yes") if value else _("No"))


def badge(labels: Mapping[str, Any]) -> Show:
    """A state as a coloured badge with its word."""

    def show(value: str | None) -> Markup:
        if value is None:
            return Markup("")
        return _badge(value, str(labels.get(value, value)))

    return _with_labels(show, labels)


@lru_cache(maxsize=256)
def _badge(state: str, word: str) -> Markup:
    return Markup('<span class="badge badge-state state-{}">{}</span>').format(state, word)


def label(labels: Mapping[str, Any]) -> Show:
    """A code as its word."""
    return _with_labels(named(labels), labels)


def named(words: Mapping[str, Any], rest: Show = plain) -> Show:
    """What is shown as `rest` says, but for some that have a word of their own."""

    def show(value: str | None) -> Any:
        return str(words[value]) if value is not None and value in words else rest(value)

    show.words = words  # type: ignore[attr-defined]
    return _with_sheet(show, lambda value: words_in_sheet(words, value, in_sheet(rest, value)))


def days_waiting(amber: int, red: int) -> Show:
    """A number of days that changes colour when it gets long."""

    def show(value: int | None) -> Any:
        if value is None:
            return ""
        css = "overdue" if value >= red else "waiting-long" if value >= amber else ""
        return Markup('<span class="{}">{}</span>').format(css, value) if css else value

    return show


def due(near: int) -> Show:
    """The last day for something: in amber so many days before, in red once it is past."""

    def show(value: date | None) -> Any:
        if value is None:
            return ""
        left = (value - datetime.now(ZoneInfo(ZONE)).date()).days
        css = "overdue" if left < 0 else "waiting-long" if left <= near else ""
        return Markup('<span class="{}">{}</span>').format(css, value.isoformat()) if css else value.isoformat()

    return _with_sheet(show, day_in_sheet)


def office_phone(value: str) -> str:
    """The telephone of an office as it is; a mobile number, which is a person's, masked."""
    return mask_phone(value) if value.startswith("1") else value


def mask_phone(value: str | None) -> str:
    """The first three and last four digits of a phone number (个人信息保护法 Art 51)."""
    if not value:
        return ""
    return value[:3] + "****" + value[-4:] if len(value) >= 8 else "****"


def mask_name(value: str | None) -> str:
    """The family name, as a rule its first character, with one star for each other."""
    return value[:1] + "*" * max(len(value) - 1, 1) if value else ""


# How data about persons is shown to who may not see it.
MASKS: dict[type, Show] = {Name: mask_name, Telephone: mask_phone, OfficeTelephone: office_phone}


def masked(value: Any) -> Any:
    """A value as it is for who may not see persons."""
    mask = MASKS.get(type(value))
    return mask(value) if mask else value


def masking(show: Show, mask: Show) -> Show:
    """What `show` does, masked; a value that has a word of its own, e.g. for the system itself, keeps it."""
    words = getattr(show, "words", None)
    return named(words, rest=mask) if words else mask


def reveal(masked: str, url: str) -> Markup:
    """A masked value with a button that asks the server for the whole one."""
    return Markup('{} <button type="button" class="btn-reveal btn btn-sm" data-url="{}">{}</button>').format(
        masked, url, _("Show")
    )


def _with_labels(show: Any, labels: Mapping[str, Any]) -> Show:
    """A way to show codes that tells which there are."""
    show.labels = labels
    return _with_sheet(show, lambda value: words_in_sheet(labels, value))


def _with_sheet(show: Any, sheet: Sheet) -> Show:
    show.sheet = sheet
    return show


def in_sheet(show: Show, value: Any) -> ColumnElement[Any]:
    """The SQL expression for a sheet's cell: words for codes, local time, numbers as numbers."""
    sheet = getattr(show, "sheet", None) or _SHEETS.get(show)
    return sheet(value) if sheet else value


def words_in_sheet(labels: Mapping[str, Any], value: Any, rest: Any = None) -> ColumnElement[Any]:
    return case({code: str(word) for code, word in labels.items()}, value=value, else_=value if rest is None else rest)


def _moment_in_sheet(value: Any) -> ColumnElement[Any]:
    return func.timezone(ZONE, value, type_=DateTime())


def day_in_sheet(value: Any) -> ColumnElement[Any]:
    return cast(value, Date)


def _yes_no_in_sheet(value: Any) -> ColumnElement[Any]:
    return case((value.is_(True), _("Yes")), (value.is_(False), _("No")), else_=null())


def _masked_phone_in_sheet(value: Any) -> ColumnElement[Any]:
    some = func.left(value, 3).concat("****").concat(func.right(value, 4))
    return case((func.length(value) >= 8, some), (value != "", "****"), else_="")


def _office_phone_in_sheet(value: Any) -> ColumnElement[Any]:
    return case((value.startswith("1"), _masked_phone_in_sheet(value)), else_=value)


def _masked_name_in_sheet(value: Any) -> ColumnElement[Any]:
    stars = func.repeat("*", func.greatest(func.length(value) - 1, 1))
    return case((value != "", func.left(value, 1).concat(stars)), else_="")


_SHEETS: dict[Show, Sheet] = {
    moment: _moment_in_sheet,
    day: day_in_sheet,
    yes_no: _yes_no_in_sheet,
    mask_phone: _masked_phone_in_sheet,
    office_phone: _office_phone_in_sheet,
    mask_name: _masked_name_in_sheet,
}
