"""检查表: what is looked at on the spot, by what is inspected. A code once used is never given to another item."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _, lazy_gettext as _l

from app.errors import RuleError

CONFORMS, FAILS, NOT_APPLICABLE = "conforms", "fails", "not_applicable"
FOUND = {CONFORMS: _l("Conforming"), FAILS: _l("Not conforming"), NOT_APPLICABLE: _l("Not applicable")}
LONGEST_REMARK = 200

# 办法 Art 8-11; 细则 Art 8, 22, 27-30; 计量法 Art 9.
ITEMS: dict[str, dict[str, Any]] = {
    "institution": {
        "authorized": _l("The authorization certificate is valid, and displayed."),
        "scope": _l("Only what the authorization covers is verified."),
        "standards": _l("The measurement standards used are traceable and within their validity."),
        "people": _l("Verifiers are qualified for what they verify."),
        "regulations": _l("The regulations used are those in force."),
        "environment": _l("Rooms and environment meet the regulations, and are recorded."),
        "records": _l("Original records are complete and can be traced."),
        "certificates": _l("Certificates agree with the original records, and are signed by three people."),
        "in_time": _l("Verifications are finished within the time limit."),
        "free": _l("No fee is taken for mandatory verification."),
    },
    "standard": {
        "certificate": _l("The certificate of examination and the public standard certificate are valid."),
        "traceable": _l("The main instruments of the standard are traceable within their periods."),
        "uncertainty": _l("Range and uncertainty agree with the certificate."),
        "stability": _l("Stability and repeatability are tested as prescribed."),
        "keeper": _l("A keeper is named, and knows how to use it."),
        "changes": _l("Changes of instruments, regulations or environment were reported."),
        "file": _l("The technical file is complete."),
    },
    "using_unit": {
        "ledger": _l("All instruments under mandatory verification are in the ledger, and filed."),
        "verified": _l("No instrument is used that is not verified or past its validity."),
        "failed": _l("Instruments that failed are out of use, and marked."),
        "seals": _l("Seals and verification marks are whole."),
        "changed": _l("Instruments have not been tampered with, and show no cheating."),
        "keeper": _l("Somebody is responsible for the instruments, and rules are kept."),
        "booked": _l("Verification is booked before the validity ends."),
    },
    "instrument": {
        "identity": _l("Name plate, model and serial number agree with the ledger."),
        "verified": _l("It has a valid certificate or mark of verification."),
        "seal": _l("The seal is whole."),
        "tampering": _l("It has not been tampered with."),
        "working": _l("It works properly, and its indication is within the limits."),
        "place": _l("It is used where and for what it is filed."),
    },
}


def checked(kind: str, given: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """What was found of each item, in the order of the list; items not looked at yet are left out."""
    by_item = {each["item"]: each for each in given}
    if not set(by_item) <= set(ITEMS[kind]):
        raise RuleError(_("This is not among the choices."), field="checklist")
    rows = [{"item": item, "found": by_item[item]["found"], "remark": by_item[item].get("remark", "").strip()}
            for item in ITEMS[kind] if item in by_item]  # fmt: skip
    for row in rows:
        if row["found"] not in FOUND:
            raise RuleError(_("This is not among the choices."), field="checklist")
        if len(row["remark"]) > LONGEST_REMARK:
            text = _("A remark has at most %(most)s characters: %(item)s", most=LONGEST_REMARK, item=word(kind, row))
            raise RuleError(text, field="checklist")
        if row["found"] == FAILS and not row["remark"]:
            text = _("Please say what does not conform: %(item)s", item=word(kind, row))
            raise RuleError(text, field="checklist")
    return rows


def missing(kind: str, rows: Sequence[Mapping[str, str]]) -> int:
    """How many items of the list have not been looked at."""
    return len(set(ITEMS[kind]) - {row["item"] for row in rows})


def failing(rows: Sequence[Mapping[str, str]]) -> int:
    """How many items do not conform."""
    return sum(row["found"] == FAILS for row in rows)


def word(kind: str, row: Mapping[str, str]) -> str:
    """An item in words."""
    return str(ITEMS[kind].get(row["item"], row["item"]))
