"""节假日: the days that depart from the week, by which deadlines are counted."""

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, DateField, HiddenField, StringField
from wtforms.validators import InputRequired, Length

from app.domain import holidays
from app.fabkit.filters import Dates
from app.fabkit.formats import day, yes_no
from app.fabkit.forms import Form, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import EditablePage
from app.models import Holiday


class HolidayForm(Form):
    day = DateField(_l("Day"), [InputRequired(_l("Please give the day."))])
    name = StringField(
        _l("Name of the day"), [InputRequired(_l("Please give a name.")), Length(max=40)], filters=[trimmed]
    )
    working = BooleanField(_l("A weekend day that is worked"))
    revision = HiddenField()


class Holidays(EditablePage):
    """节假日."""

    route_base = "/holidays"
    class_permission_name = "Holidays"
    list_title = _l("Holidays")
    subtitle = _l("Deadlines are counted in working days by these; days already set for open tasks stay.")
    form = HolidayForm
    source = Source(Holiday, key=Holiday.day, descending=True)
    columns = (
        Column("day", _l("Day"), Holiday.day, day, css="nowrap", fixed=True),
        Column("name", _l("Name of the day"), Holiday.name),
        Column("working", _l("A weekend day that is worked"), Holiday.working, yes_no),
    )
    filters = (Dates("day", _l("Day"), Holiday.day),)

    def changed(self) -> None:
        holidays.count()
