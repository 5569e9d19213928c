"""One plain function for each table: they fill what is required and surprise nobody."""

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import exists, select, update

from app.domain import holidays
from app.domain.checklists import ITEMS
from app.models import (
    Account,
    Appointment,
    Capability,
    CatalogueItem,
    Certificate,
    Event,
    Inspection,
    Institution,
    Instrument,
    IssuingRule,
    MeasurementStandard,
    Organization,
    Qualification,
    Result,
    ServiceRegion,
    StaffMember,
    Task,
    UsingUnit,
    db,
)
from app.states import (
    APPROVED,
    AWAITING_AUTHORITY,
    CANCELLED,
    CERTIFIED,
    CLOSED,
    CONCLUDED_INSPECTION,
    DRAFT,
    EFFECTIVE,
    OFFERED,
    PLANNED,
    PUBLISHED,
    RETURNED,
    TO_RECHECK,
    UNASSIGNED,
    WITH_REASON,
)
from app.workflow import count

_numbers = itertools.count(1)
LEVELS = {0: "nation", 2: "province", 4: "city", 6: "county"}
FAR = date(2099, 12, 31)
WATER_METER, BLOOD_PRESSURE = "水表", "无创自动测量血压计"


def _added(row: Any) -> Any:
    db.session.add(row)
    db.session.flush()
    return row


def authority(jurisdiction: str, parent: Organization | None = None) -> Organization:
    """The authority of a jurisdiction: '' the nation, '33' a province, '3301' a city, '330106' a county."""
    found = db.session.scalar(
        select(Organization).where(Organization.kind == "authority", Organization.jurisdiction == jurisdiction)
    )
    if found:
        return found
    above = parent or (authority(jurisdiction[:-2]) if jurisdiction else None)
    new = Organization(
        kind="authority",
        name=f"{jurisdiction or '国家'}市场监督管理局",
        level=LEVELS[len(jurisdiction)],
        region_code=jurisdiction.ljust(6, "0"),
        parent_id=above.id if above else None,
        path="/",
        jurisdiction=jurisdiction,
    )
    _added(new)
    new.path = f"{above.path if above else '/'}{new.id}/"
    return _added(new)


def bingtuan() -> Organization:
    """新疆生产建设兵团: the authority of the cities 6590xx, beside that of the region around them."""
    nation = authority("")
    new = Organization(
        kind="authority",
        name="新疆生产建设兵团市场监督管理局",
        level="province",
        region_code="650000",
        parent_id=nation.id,
        path="/",
        jurisdiction="6590",
    )
    _added(new)
    new.path = f"{nation.path}{new.id}/"
    return _added(new)


def institution(region: str = "330106", name: str | None = None, **details: Any) -> Organization:
    number = next(_numbers)
    new = Organization(kind="institution", name=name or f"计量所{number}", level="county", region_code=region, path="/")
    _added(new)
    new.path = f"/{new.id}/"
    values: dict[str, Any] = {
        "designation": "statutory",
        "authorization_no": f"法计{number}",
        "authorized_by": "浙江省市场监督管理局",
        "authorized_until": FAR,
        "contact": "王计量",
        "phone": "0571-87654321",
        "address": "文三路1号",
        **details,
    }
    _added(Institution(organization_id=new.id, **values))
    return new


def using_unit(region: str = "330106", name: str | None = None) -> Organization:
    number = next(_numbers)
    new = Organization(
        kind="using_unit", name=name or f"使用单位{number}", level="county", region_code=region, path="/"
    )
    _added(new)
    new.path = f"/{new.id}/"
    count("organization", [_added(new).id])
    return new


def kind(name: str = WATER_METER) -> CatalogueItem:
    return db.session.scalars(select(CatalogueItem).where(CatalogueItem.level == 2, CatalogueItem.name == name)).one()


def capability(holder: Organization, *places: str, of: str = WATER_METER, **values: Any) -> Capability:
    """A capability for 0 to 50 mm of class 1, valid, at these places."""
    filled: dict[str, Any] = {
        "range_low": 0,
        "range_high": 50,
        "range_unit": "mm",
        "accuracy_class": "1级",
        "accuracy_value": 1,
        "regulation": "JJG 162",
        "delivery": "both",
        "valid_from": date(2020, 1, 1),
        "valid_until": FAR,
        "state": EFFECTIVE,
        **values,
    }
    new = _added(Capability(institution_id=holder.id, catalogue_item_id=kind(of).id, **filled))
    for place in places or ("330106",):
        _added(ServiceRegion(capability_id=new.id, region_code=place))
    return new


def instrument(region: str = "330106", unit: Organization | None = None, of: str = WATER_METER, **values: Any) -> Any:
    number = next(_numbers)
    filled: dict[str, Any] = {
        "instrument_no": f"QJ{number:08}",
        "name": "智能远传水表",
        "model": "LXS-20E",
        "measuring_range": "DN20",
        "range_low": 20,
        "range_high": 20,
        "range_unit": "mm",
        "accuracy_class": "2级",
        "accuracy_value": 2,
        "serial_no": f"SN{number:08}",
        "manufacturer": "宁波水表股份有限公司",
        "origin": "domestic",
        "use_place": "文三路100号",
        "purpose": "trade",
        "delivery": "sent",
        **values,
    }
    return _added(
        Instrument(
            city_code=region[:4] + "00",
            region_code=region,
            using_unit_id=(unit or using_unit(region)).id,
            catalogue_item_id=kind(of).id,
            **filled,
        )
    )


def appointment(region: str = "330106", unit: Organization | None = None, **values: Any) -> Appointment:
    number = next(_numbers)
    owner = unit or using_unit(region)
    filled: dict[str, Any] = {
        "no": f"YY{region}-{number:08}",
        "applied_at": datetime.now(UTC) - timedelta(days=3),
        "applicant": owner.name,
        "contact": "张三",
        "phone": "13812345678",
        "delivery": "sent",
        **values,
    }
    return _added(Appointment(city_code=region[:4] + "00", region_code=region, using_unit_id=owner.id, **filled))


def task(
    state: str = UNASSIGNED,
    region: str = "330106",
    *,
    to: Organization | None = None,
    unit: Organization | None = None,
    desk: Organization | None = None,
    order: Appointment | None = None,
    what: Any = None,
    **values: Any,
) -> Task:
    """A task in a state with everything that the state needs."""
    owner = unit or (db.session.get(Organization, order.using_unit_id) if order else None) or using_unit(region)
    order = order or appointment(region, owner)
    order.submitted = order.submitted or state != DRAFT
    what = what or instrument(region, owner)
    holder = to or (institution(region) if state not in {DRAFT, UNASSIGNED} else None)
    waiting = state in AWAITING_AUTHORITY or state == DRAFT
    filled: dict[str, Any] = {
        "reason": "超出本机构授权范围" if state in WITH_REASON else None,
        "previous_institution_id": holder.id if state == RETURNED and holder else None,
        "previous_state": OFFERED if state == RETURNED else None,
        "finished_at": datetime.now(UTC) if state == CERTIFIED else None,
        "applied_at": order.applied_at,
        "delivery": "sent",
        **values,
    }
    return _added(
        Task(
            state=state,
            city_code=order.city_code,
            region_code=region,
            appointment_id=order.id,
            instrument_id=what.id,
            using_unit_id=owner.id,
            catalogue_item_id=what.catalogue_item_id,
            institution_id=holder.id if holder and not waiting else None,
            authority_id=(desk or authority(region)).id,
            **filled,
        )
    )


def submit_orders() -> None:
    """Mark the orders of which a task was submitted by its step alone."""
    of_order = exists().where(Task.appointment_id == Appointment.id, Task.state != DRAFT)
    db.session.execute(update(Appointment).where(of_order).values(submitted=True))


def account(role: str | None, organization: Organization | None, **values: Any) -> Account:
    number = next(_numbers)
    filled: dict[str, Any] = {
        "first_name": "李四",
        "last_name": "",
        "username": f"person{number}",
        "email": f"person{number}@example.cn",
        "password": "",
        "active": True,
        "preferences": {},
        "has_role": role is not None,
        **values,
    }
    new = Account(organization_id=organization.id if organization else None, **filled)
    if role:
        new.roles = [db.session.scalars(select(Role).where(Role.name == role)).one()]
    return _added(new)


def states(*tasks: Task) -> list[str]:
    """The states of tasks as the database has them now."""
    found = select(Task.id, Task.state).where(Task.id.in_([each.id for each in tasks]))
    by_id = dict(db.session.execute(found).all())
    return [by_id[each.id] for each in tasks]


def history(task: Task) -> list[tuple[str | None, ...]]:
    """(step, from, to, reason) of a task, in order."""
    steps = select(Event.step, Event.from_state, Event.to_state, Event.reason).where(
        Event.subject == "task", Event.subject_id == task.id
    )
    return [tuple(row) for row in db.session.execute(steps.order_by(Event.id))]


def measurement_standard(holder: Organization, **values: Any) -> MeasurementStandard:
    """An approved standard, valid for long."""
    number = next(_numbers)
    filled: dict[str, Any] = {
        "name": "水表检定装置",
        "code": "12315000",
        "certificate_no": f"量标{number}",
        "issuer": "浙江省市场监督管理局",
        "valid_until": FAR,
        "public_certificate_no": f"社量标{number}",
        "public_valid_until": FAR,
        "measuring_range": "(0.01～20)m³/h",
        "uncertainty": "U=0.2%（k=2）",
        "public_issuer": "浙江省市场监督管理局",
        "service_area": "本行政区域",
        "authorization_no": "（浙）法计（2024）00001号",
        "examined_by": "浙江省市场监督管理局",
        "category": "mechanics",
        "keeper": "王建标",
        "issued_on": date(2024, 1, 1),
        "public_issued_on": date(2024, 1, 1),
        "state": APPROVED,
        **values,
    }
    return _added(MeasurementStandard(institution_id=holder.id, **filled))


def staff_member(
    holder: Organization, name: str = "王检定", of: tuple[str, ...] = (WATER_METER,), **values: Any
) -> Any:
    """A member of staff, qualified for these kinds."""
    number = next(_numbers)
    until = values.pop("qualified_until", FAR)
    new = _added(StaffMember(institution_id=holder.id, name=name, **values))
    if of:
        _added(
            Qualification(
                institution_id=holder.id, staff_member_id=new.id, certificate_no=f"检{number:08}",
                catalogue_item_ids=[kind(each).id for each in of], valid_from=date(2020, 1, 1), valid_until=until,
            )
        )  # fmt: skip
    return new


def issuing_rule(holder: Organization, pattern: str = "浙检{year}{number:6}") -> IssuingRule:
    return _added(IssuingRule(institution_id=holder.id, pattern=pattern))


def result(of: Task, verifier: StaffMember, checker: StaffMember | None = None, **values: Any) -> Result:
    """What a verifier wrote down today for a task: passed, for a year."""
    today = holidays.today()
    checked = {"checker_id": checker.id, "checker": checker.name} if checker else {}
    filled: dict[str, Any] = {
        "passed": True,
        "verified_on": today,
        "valid_until": today + timedelta(days=364) if values.get("passed", True) else None,
        "regulation": "JJG 162-2019",
        "verifier_id": verifier.id,
        "verifier": verifier.name,
        **checked,
        **values,
    }
    return _added(
        Result(
            task_id=of.id, city_code=of.city_code, region_code=of.region_code, institution_id=of.institution_id,
            **filled,
        )
    )  # fmt: skip


def certificate(of: Task, **values: Any) -> Certificate:
    """A certificate of a task from before this system: nobody has printed it here."""
    number = next(_numbers)
    filled: dict[str, Any] = {
        "no": f"旧检{number:06}",
        "kind": "verification",
        "passed": True,
        "verified_on": date(2026, 1, 15),
        "regulation": "JJG 162-2019",
        "verifier": "王检定",
        "checker": "李核验",
        "approver": "赵批准",
        **values,
    }
    return _added(
        Certificate(
            task_id=of.id, instrument_id=of.instrument_id, city_code=of.city_code, region_code=of.region_code,
            using_unit_id=of.using_unit_id, institution_id=of.institution_id, **filled,
        )
    )  # fmt: skip


def able_institution(name: str = "西湖所", *, standard: dict[str, Any] | None = None, **values: Any) -> Organization:
    """An institution of 西湖区 that verifies water meters, due again after 24 months, with its `standard`."""
    kind().cycle_months = 24
    new: Any = institution(name=name)
    new.standard = measurement_standard(new, **(standard or {}))
    capability(new, "330106", standard_id=new.standard.id, **values)
    return new


# --- What is published ---------------------------------------------------------------------------


def published() -> dict[str, Any]:
    """What makes a certificate or an institution published."""
    return {"publication": PUBLISHED, "published_at": datetime.now(UTC)}


def unit_of(nature: str = "enterprise", region: str = "330106", name: str | None = None, **values: Any) -> Organization:
    """A using unit with what it has told of itself."""
    new = using_unit(region, name)
    filled: dict[str, Any] = {"address": "文三路9号", "contact": "张三", "phone": "13812345678", **values}
    _added(UsingUnit(organization_id=new.id, nature=nature, **filled))
    return new


def published_kind(name: str = WATER_METER) -> CatalogueItem:
    """The kind, published with its category."""
    found = kind(name)
    for item in (db.session.get_one(CatalogueItem, found.parent_id), found):
        item.confirmed_at = item.confirmed_at or datetime.now(UTC)
        item.publication, item.published_at = PUBLISHED, datetime.now(UTC)
    db.session.flush()
    return found


def published_certificate(
    unit: Organization | None = None, lab: Organization | None = None, what: Any = None, **values: Any
) -> Certificate:
    """A published certificate, valid for long unless said otherwise."""
    owner = unit or unit_of()
    done = task(CERTIFIED, owner.region_code, to=lab or institution(**published()), unit=owner, what=what)
    filled = {**published(), "valid_until": FAR, **values}
    return certificate(done, **filled)


# --- Supervision ---------------------------------------------------------------------------------


def inspectors(office: Organization, number: int = 2) -> list[Account]:
    """People of an office who inspect."""
    return [account("InspectionOfficer", office, first_name=f"检查员{index}") for index in range(1, number + 1)]


def inspection(
    state: str = PLANNED, of: Organization | None = None, office: Organization | None = None, **values: Any
) -> Inspection:
    """An inspection in a state with everything that the state needs; of an institution unless said otherwise."""
    number, today = next(_numbers), holidays.today()
    party = of or institution()
    visited, concluded = state not in (PLANNED, CANCELLED), state in CONCLUDED_INSPECTION
    kind = values.pop("kind", party.kind)
    filled: dict[str, Any] = {
        "no": f"JC{number:08}",
        "task": "年度检定机构专项监督检查",
        "party": party.name,
        "target": party.name,
        "planned_on": today,
        "planned_by": "方晓敏",
        "inspectors": [{"id": 1, "name": "甲"}, {"id": 2, "name": "乙"}],
        "reason": "重复安排检查" if state == CANCELLED else None,
        "inspected_on": today if visited else None,
        "checklist": [{"item": item, "found": "conforms", "remark": ""} for item in ITEMS[kind]] if visited else [],
        "conclusion": "rectify" if concluded else None,
        "issues": "部分原始记录缺少环境条件" if concluded else None,
        "due_on": today + timedelta(days=15) if concluded else None,
        "concluded_at": datetime.now(UTC) if concluded else None,
        "statement": "已补齐全部原始记录" if state in (TO_RECHECK, CLOSED) else None,
        "rechecked_on": today if state == CLOSED else None,
        "closed_at": datetime.now(UTC) if state == CLOSED else None,
        **values,
    }
    return _added(
        Inspection(
            state=state, kind=kind, party_id=party.id, authority_id=(office or authority("330106")).id,
            city_code=party.region_code[:4] + "00", region_code=party.region_code, **filled,
        )
    )  # fmt: skip
