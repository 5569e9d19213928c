"""Inspections of institutions and using units over the past year and of those that are coming, with their history."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from sqlalchemy import select

from app.domain import holidays, institution_versions
from app.domain.checklists import ITEMS
from app.domain.inspections import CONFORMS, DOES_NOT_CONFORM, RECTIFY, STOP
from app.models import Organization, db
from app.seeding import loading, names
from app.seeding.institutions import House
from app.seeding.loading import NULL
from app.seeding.organizations import Authority
from app.seeding.world import World
from app.states import CANCELLED, CLOSED, PLANNED, TO_RECHECK, TO_RECTIFY, UNDER_WAY

COLUMNS = (
    "id no task kind party party_id target planned_on planned_at planned_by inspectors authority_id city_code "
    "region_code state reason inspected_on accompanied_by checklist findings conclusion issues due_on concluded_at "
    "statement statement_by statement_at recheck rechecked_on closed_at publication published_at"
)
EVENT_COLUMNS = (
    "at subject subject_id city_code region_code using_unit_id institution_id step from_state to_state by_name "
    "by_organization_id by_organization reason"
)
MOST_UNITS = 2000
EVERY_HOUSE, EVERY_UNIT = 3, 8
TASKS = {
    "institution": ("年度计量标准专项监督检查", "法定计量检定机构专项监督检查", "民生计量检定机构抽查"),
    "using_unit": (
        "集贸市场计量器具专项检查",
        "医疗卫生计量器具专项检查",
        "加油站计量监督检查",
        "强检器具使用情况抽查",
    ),
}
ISSUES = {
    "institution": (
        ("records", "部分原始记录未填写环境温湿度"),
        ("standards", "一台配套设备超过溯源周期"),
        ("in_time", "有 6 份检定超过规定期限出具证书"),
        ("environment", "力值实验室温度记录不连续"),
    ),
    "using_unit": (
        ("verified", "2 台电子秤超过检定周期仍在使用"),
        ("ledger", "新购置的 3 台计量器具未登记备案"),
        ("seals", "1 台燃油加油机铅封破损"),
        ("booked", "压力表有效期届满前未申请检定"),
    ),
}
STATES = (CLOSED,) * 9 + (TO_RECTIFY,) * 3 + (TO_RECHECK,) * 2 + (UNDER_WAY,) * 2 + (PLANNED,) * 3 + (CANCELLED,)


@dataclass(frozen=True)
class Party:
    """An institution or a using unit that is inspected, and by whom."""

    id: int
    kind: str
    name: str
    region_code: str
    authority: Authority


def write(connection: Any, world: World) -> None:
    """Append inspections and what happened to them, and the first version of what is known of each institution."""
    dice = Random(world.seed + 2)  # noqa: S311 -- made-up data
    parties = [*_houses(world.market.houses, dice), *_units(world)]
    rows, events = [], []
    for number, party in enumerate(parties, start=1):
        row = _inspection(number, party, dice)
        rows.append(_line(row, COLUMNS))
        events += [_line(each, EVENT_COLUMNS) for each in _events(row, party)]
    loading.copy(connection, "inspection", COLUMNS, rows)
    loading.copy(connection, "event", EVENT_COLUMNS, events)
    institutions = select(Organization.id).where(Organization.kind == "institution")
    institution_versions.remember(institutions)


def _houses(houses: list[House], dice: Random) -> list[Party]:
    chosen = [house for house in houses if house.level != "nation" and dice.randrange(EVERY_HOUSE) == 0]
    return [Party(each.id, "institution", each.name, each.region_code, each.authority) for each in chosen]


def _units(world: World) -> list[Party]:
    found = select(Organization.id, Organization.name, Organization.region_code).where(
        Organization.kind == "using_unit", Organization.id % EVERY_UNIT == 0
    )
    rows = db.session.execute(found.order_by(Organization.id).limit(MOST_UNITS))
    return [Party(row.id, "using_unit", row.name, row.region_code, _office(row.region_code, world)) for row in rows]


def _office(region_code: str, world: World) -> Authority:
    known = world.authorities
    return next(known[region_code[:width]] for width in (6, 4, 2, 0) if region_code[:width] in known)


def _inspection(number: int, party: Party, dice: Random) -> dict[str, Any]:
    state, today = dice.choice(STATES), holidays.today()
    ahead = state in (PLANNED, CANCELLED)
    planned = today + timedelta(days=dice.randrange(1, 40) if ahead else -_age(state, dice))
    people = dice.sample(party.authority.staff, 2)
    row: dict[str, Any] = {
        "id": number, "no": f"JC{party.authority.region_code}{planned.year}{number:06d}",
        "task": f"{planned.year} 年{dice.choice(TASKS[party.kind])}", "kind": party.kind, "party": party.name,
        "party_id": party.id, "target": party.name, "planned_on": planned,
        "planned_at": f"{planned - timedelta(days=14 + 40 * ahead)} 09:{dice.randrange(10, 60)}:12+08",
        "planned_by": _name(people[0]), "inspectors": _people(people), "authority_id": party.authority.id,
        "city_code": party.region_code[:4] + "00", "region_code": party.region_code, "state": state,
        "checklist": "[]", "publication": "unpublished",
        "reason": "被检查单位已停业或搬迁" if state == CANCELLED else None,
    }  # fmt: skip
    if not ahead:
        _visit(row, party, dice)
    return row


def _age(state: str, dice: Random) -> int:
    """Days since it was planned for: what waits is young."""
    return {UNDER_WAY: 0, TO_RECTIFY: dice.randrange(3, 32), TO_RECHECK: dice.randrange(15, 40)}.get(
        state, dice.randrange(60, 340)
    )


def _people(people: list[str]) -> str:
    return json.dumps([{"id": None, "name": _name(each)} for each in people], ensure_ascii=False)


def _name(person: str) -> str:
    """Of what an event tells of somebody, the name."""
    return person.split("\t")[1]


def _visit(row: dict[str, Any], party: Party, dice: Random) -> None:
    state, day = row["state"], row["planned_on"]
    closed_at_once = state == CLOSED and dice.random() < 0.65
    item, remark = dice.choice(ISSUES[party.kind])
    wrong = not closed_at_once and state != UNDER_WAY
    looked = list(ITEMS[party.kind])[: None if state != UNDER_WAY else dice.randrange(2, 6)]
    found = [{"item": each, "found": "fails" if wrong and each == item else "conforms",
              "remark": remark if wrong and each == item else ""} for each in looked]  # fmt: skip
    row |= {"inspected_on": day, "accompanied_by": names.person(dice), "findings": "现场管理有序，资料齐全。",
            "checklist": json.dumps(found, ensure_ascii=False)}  # fmt: skip
    if state == UNDER_WAY:
        return
    row |= {"concluded_at": f"{day} 16:{dice.randrange(10, 60)}:40+08", "conclusion": CONFORMS}
    if wrong:
        _rectify(row, remark, dice)
    if state == CLOSED:
        row["closed_at"] = row["concluded_at"]
        if wrong:
            checked = day + timedelta(days=dice.randrange(18, 40))
            row |= {"recheck": "经复查，所列问题已全部整改到位。", "rechecked_on": checked,
                    "closed_at": f"{checked} 10:20:30+08"}  # fmt: skip
        if dice.random() < 0.6:
            row |= {"publication": "published", "published_at": row["closed_at"]}


def _rectify(row: dict[str, Any], remark: str, dice: Random) -> None:
    day = row["planned_on"]
    conclusion = dice.choices((RECTIFY, DOES_NOT_CONFORM, STOP), (8, 2, 1))[0]
    row |= {
        "conclusion": conclusion,
        "issues": f"{remark}，不符合有关规定，应当限期改正。",
        "due_on": day + timedelta(days=30),
    }
    if row["state"] != TO_RECTIFY:
        told = day + timedelta(days=dice.randrange(5, 15))
        row |= {"statement": "已逐项整改：补齐资料，停用超期器具并重新送检，组织人员学习有关规定。",
                "statement_by": row["accompanied_by"], "statement_at": f"{told} 15:05:10+08"}  # fmt: skip


def _events(row: dict[str, Any], party: Party) -> Iterator[dict[str, Any]]:
    """What happened to it, as the workflow would have told."""
    office = (json.loads(row["inspectors"])[0]["name"], party.authority.id, party.authority.name)
    answered = (row.get("statement_by"), party.id, party.name)
    state = row["state"]
    if state == CANCELLED:
        yield _event(row, party, row["planned_at"], "cancel", PLANNED, CANCELLED, office, row["reason"])
    if state in (PLANNED, CANCELLED):
        return
    yield _event(row, party, f"{row['planned_on']} 10:02:11+08", "inspect", PLANNED, UNDER_WAY, office)
    if state == UNDER_WAY:
        return
    after = TO_RECTIFY if row.get("due_on") else CLOSED
    yield _event(row, party, row["concluded_at"], "conclude", UNDER_WAY, after, office)
    if row.get("statement"):
        yield _event(row, party, row["statement_at"], "answer", TO_RECTIFY, TO_RECHECK, answered, row["statement"])
    if row.get("recheck"):
        yield _event(row, party, row["closed_at"], "recheck", TO_RECHECK, CLOSED, office, row["recheck"])
    if row["publication"] == "published":
        yield _event(row, party, row["published_at"], "publish", "unpublished", "published", office)


def _event(
    row: dict[str, Any], party: Party, at: str, step: str, before: str, after: str, by: tuple[Any, Any, Any],
    reason: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    name, organization_id, organization = by
    return {
        "at": at, "subject": "inspection", "subject_id": row["id"], "city_code": row["city_code"],
        "region_code": row["region_code"], "using_unit_id": party.id if party.kind == "using_unit" else None,
        "institution_id": party.id if party.kind == "institution" else None, "step": step, "from_state": before,
        "to_state": after, "by_name": name, "by_organization_id": organization_id, "by_organization": organization,
        "reason": reason,
    }  # fmt: skip


def _line(row: dict[str, Any], columns: str) -> str:
    cells = (row.get(name) for name in columns.split())
    return "\t".join(NULL if cell is None else str(cell).replace("\\", "\\\\") for cell in cells) + "\n"
