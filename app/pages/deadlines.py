"""办理时限: the days in which an institution must finish, by province and delivery (办法 Art 8)."""

from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from wtforms import BooleanField, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import InputRequired, Length, NumberRange

from app.domain import deadlines
from app.fabkit.filters import Choice
from app.fabkit.formats import label, yes_no
from app.fabkit.forms import Form, IntegerField
from app.fabkit.lists import Column, Source
from app.fabkit.pages import EditablePage
from app.models import Deadline, Region, db
from app.pages.tasks import DELIVERIES


def provinces() -> list[SelectChoice]:
    above = select(Region.code, Region.name).where(Region.level.in_(["nation", "province"])).order_by(Region.code)
    return [SelectChoice(code, name) for code, name in db.session.execute(above)]


class DeadlineForm(Form):
    province_code = SelectField(_l("Province"), choices=provinces)
    delivery = SelectField(_l("Delivery"), choices=[SelectChoice(*pair) for pair in DELIVERIES.items()])
    days = IntegerField(_l("Days"), validators=[InputRequired(_l("Please give the days.")), NumberRange(1, 365)])
    working_days = BooleanField(_l("Working days only"), default=True)
    basis = StringField(
        _l("Legal basis"), validators=[InputRequired(_l("Please name the legal basis.")), Length(max=200)]
    )
    revision = HiddenField()


class Deadlines(EditablePage):
    """办理时限."""

    route_base = "/deadlines"
    class_permission_name = "Deadlines"
    list_title = _l("Deadlines")
    subtitle = _l("Where a province has no row of its own, that of the whole country applies.")
    form = DeadlineForm
    source = Source(Deadline, key=Deadline.province_code, joins=((Region, Region.code == Deadline.province_code),))
    columns = (
        Column("province", _l("Province"), Region.name, fixed=True),
        Column(
            "delivery",
            _l("Delivery"),
            Deadline.delivery,
            label(DELIVERIES),
        ),
        Column("days", _l("Days"), Deadline.days, css="number"),
        Column("working_days", _l("Working days only"), Deadline.working_days, yes_no),
        Column("basis", _l("Legal basis"), Deadline.basis, css="wide"),
    )
    filters = (Choice("delivery", _l("Delivery"), Deadline.delivery, DELIVERIES, multiple=False),)

    def changed(self) -> None:
        deadlines.refuse_gaps()
