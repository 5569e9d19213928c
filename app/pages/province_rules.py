"""省级规则: what each province settles for itself."""

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, HiddenField, SelectField
from wtforms.validators import InputRequired, NumberRange

from app.domain import deadlines
from app.fabkit.formats import yes_no
from app.fabkit.forms import Form, IntegerField
from app.fabkit.lists import Column, Source
from app.fabkit.pages import EditablePage
from app.models import ProvinceRule, Region
from app.pages.deadlines import provinces


class ProvinceRuleForm(Form):
    province_code = SelectField(_l("Province"), choices=provinces)
    filing_reviewed = BooleanField(_l("The county authority reviews filings"))
    answer_days = IntegerField(
        _l("Working days to accept or return"),
        [InputRequired(_l("Please give the days.")), NumberRange(1, 60)],
        description=_l("An offer that is not answered by then goes to the authority."),
        default=3,
    )
    revision = HiddenField()


class ProvinceRules(EditablePage):
    """省级规则."""

    route_base = "/province-rules"
    class_permission_name = "ProvinceRules"
    list_title = _l("Rules of the provinces")
    subtitle = _l("Where a province has no row of its own, that of the whole country applies.")
    form = ProvinceRuleForm
    source = Source(
        ProvinceRule, key=ProvinceRule.province_code, joins=((Region, Region.code == ProvinceRule.province_code),)
    )
    columns = (
        Column("province", _l("Province"), Region.name, fixed=True),
        Column("filing_reviewed", _l("The county authority reviews filings"), ProvinceRule.filing_reviewed, yes_no),
        Column("answer_days", _l("Working days to accept or return"), ProvinceRule.answer_days, css="number"),
    )

    def changed(self) -> None:
        deadlines.refuse_gaps()
