"""Regions, catalogue, deadlines and holidays as delivered with the system.

Regions: names and codes by GB/T 2260 as published by the Ministry of Civil Affairs in 2026 (data/regions.csv).
Catalogue: the announcement of 2020 No. 42 of the State Administration for Market Regulation, put together from
several sources; each row says how sure it is. It is a draft: an administrator confirms it before publication.
"""

import csv
import re
from datetime import date
from pathlib import Path

from sqlalchemy import func, insert, select

from app.domain import holidays
from app.domain.regions import NATION
from app.models import CatalogueItem, Deadline, Holiday, ProvinceRule, Region, Workday, db

DATA = Path(__file__).parent.parent / "data"
ANNOUNCED = date(2020, 10, 26)
_MONTHS = re.compile(r"\d+")


def load() -> None:
    """Load what is not there yet; what is there stays as it is, for it may have been edited."""
    loads = (
        (Region, _regions),
        (CatalogueItem, _catalogue),
        (Deadline, _deadlines),
        (ProvinceRule, _province_rules),
        (Holiday, _holidays),
    )
    for model, rows in loads:
        if not db.session.scalar(select(func.count()).select_from(model)):
            rows()
    _range_units()
    if not db.session.scalar(select(func.count()).select_from(Workday)):
        holidays.count()


def _read(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _regions() -> None:
    nation = {"code": NATION, "name": "全国", "full_name": "全国", "level": "nation", "parent_code": None}
    known = {NATION: ""}
    rows = [nation]
    for row in sorted(_read("regions.csv"), key=lambda row: ("province", "city", "county").index(row["level"])):
        parent = row["parent_code"] or NATION
        known[row["code"]] = known[parent] + row["name"]
        rows.append({**row, "parent_code": parent, "full_name": known[row["code"]]})
    db.session.execute(insert(Region), rows)


def _catalogue() -> None:
    rows = _read("catalogue.csv")
    tops = {row["l1_no"]: row["l1_name"] for row in rows}
    db.session.execute(
        insert(CatalogueItem),
        [{"level": 1, "number": int(no), "name": name, "valid_from": ANNOUNCED} for no, name in tops.items()],
    )
    found = select(CatalogueItem.number, CatalogueItem.id).where(CatalogueItem.level == 1)
    ids = dict(db.session.execute(found).all())
    db.session.execute(insert(CatalogueItem), [_kind(row, ids[int(row["l1_no"])]) for row in rows])


def _kind(row: dict[str, str], parent_id: int) -> dict[str, object]:
    cycle = _MONTHS.match(row["cycle_months"])
    return {
        "level": 2,
        "number": int(row["l2_no"]),
        "name": row["l2_name"],
        "parent_id": parent_id,
        "supervision": row["supervision"],
        "verification_mode": row["verification_mode"],
        "cycle_months": int(cycle.group()) or None if cycle else None,  # 0 of some means verified once
        "cycle_note": row["cycle_months"] or None,
        "scope": row["scope"] or None,
        "source": row["source"],
        "range_units": _listed(row["range_units"]),
        "accuracy_classes": _listed(row["accuracy_classes"]),
        "valid_from": ANNOUNCED,
    }


def _listed(text: str) -> list[str]:
    return text.split(";") if text else []


def _range_units() -> None:
    """For a catalogue that was loaded before its kinds had units."""
    units = {int(row["l2_no"]): row for row in _read("catalogue.csv") if row["range_units"]}
    bare = select(CatalogueItem).where(CatalogueItem.level == 2, CatalogueItem.range_units == [])
    for item in db.session.scalars(bare):
        if item.number in units:
            item.range_units = _listed(units[item.number]["range_units"])
            item.accuracy_classes = _listed(units[item.number]["accuracy_classes"])


def _deadlines() -> None:
    """The law leaves the number to the provinces (办法 Art 8); the national row is a default of this system."""
    rows = [
        (NATION, "sent", 20, True, "系统默认值：国家办法未规定天数，请核定"),
        (NATION, "on_site", 20, True, "系统默认值：国家办法未规定天数，请核定"),
        ("500000", "sent", 20, False, "重庆市计量监督管理条例 第十八条"),
        ("500000", "on_site", 30, False, "重庆市计量监督管理条例 第十八条"),
        ("330000", "sent", 7, True, "浙江省计量监督管理条例 第二十条"),
        ("330000", "on_site", 10, True, "浙江省计量监督管理条例 第二十条"),
    ]
    names = ("province_code", "delivery", "days", "working_days", "basis")
    db.session.execute(insert(Deadline), [dict(zip(names, row, strict=True)) for row in rows])


def _province_rules() -> None:
    """A default of this system: the national guide knows no review of filings, and no time to answer."""
    db.session.execute(insert(ProvinceRule), [{"province_code": NATION, "filing_reviewed": False, "answer_days": 3}])


def _holidays() -> None:
    """The days that the State Council's yearly notices move; the next notice is entered by the national authority."""
    rows = [
        {"day": date.fromisoformat(row["day"]), "working": row["working"] == "yes", "name": row["name"]}
        for row in _read("holidays.csv")
    ]
    db.session.execute(insert(Holiday), rows)
