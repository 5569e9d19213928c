"""record(): the only writer of the audit log (审计日志). Appended in the transaction that does the deed, never changed.

Each entry seals itself and the entry before it in its chain, with a key outside the database: whoever changes,
inserts or removes one breaks the chain there. The end of each chain is locked only while its transaction commits.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import has_request_context, request
from sqlalchemy import event, func, insert, inspect, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app import access, ciphers
from app.access import Principal
from app.models import AuditChain, Audited, AuditEntry, db

_WAITING = "audit entries"
_BEGINNING = ""
NATION = "000000"
PROOF = "verify"
# What is sealed, in this order.
_SEALED = (
    "chain", "number", "at", "action", "region_code", "by_id", "by_name", "by_organization", "address",
    "subject", "subject_id", "subject_name", "detail",
)  # fmt: skip


def record(
    action: str,
    subject: str,
    subject_id: int | None = None,
    subject_name: str = "",
    by: Principal | None = None,
    **detail: Any,
) -> None:
    """Write down a deed; it stands in the log if and when the transaction commits.

    `detail` holds texts, whole numbers, and lists of them. Never a password, a code or a key.
    """
    who = by or access.principal()
    entry = {
        "at": datetime.now(UTC),
        "action": action,
        "region_code": who.region_code or NATION,
        "by_id": who.account_id,
        "by_name": who.name,
        "by_organization": who.organization,
        "address": (request.remote_addr or "") if has_request_context() else "",
        "subject": subject,
        "subject_id": subject_id,
        "subject_name": subject_name[:200],
        "detail": {name: value for name, value in detail.items() if value is not None},
    }
    db.session().info.setdefault(_WAITING, []).append(entry)


def install(session: Any) -> None:
    """Append what was recorded when the session commits, forget it when it rolls back.

    Rows of a table that is Audited are recorded as they are flushed, with what they were and what they are.
    """
    if not event.contains(session, "before_commit", _append):
        event.listen(session, "after_flush", _record_rows)
        event.listen(session, "before_commit", _append)
        event.listen(session, "after_rollback", _forget)


def _record_rows(session: Session, _context: Any) -> None:
    for action, rows in (("add", session.new), ("edit", session.dirty), ("delete", session.deleted)):
        for row in rows:
            if isinstance(row, Audited) and (changes := _changes(row, action)):
                changed, before, after = (list(column) for column in zip(*changes, strict=True))
                record(
                    action,
                    row.audited_as,
                    row.id,
                    row.audit_name,
                    changed=changed,
                    before=before,
                    after=after,
                )


def _changes(row: Audited, action: str) -> list[tuple[str, str, str]]:
    """(column, value before, value after) for each column of a row that changed; of a new or a gone row all that has a
    value.
    """
    found = []
    for column in inspect(row).mapper.column_attrs:
        history = inspect(row).attrs[column.key].history
        before = history.deleted[0] if history.deleted else None if action == "add" else getattr(row, column.key)
        after = None if action == "delete" else getattr(row, column.key)
        if column.key not in row.not_audited and before != after:
            found.append((column.key, "" if before is None else str(before), "" if after is None else str(after)))
    return found


def _forget(session: Session) -> None:
    session.info.pop(_WAITING, None)


def _append(session: Session) -> None:
    session.flush()  # what is written only now is recorded, too
    waiting = session.info.pop(_WAITING, [])
    if not waiting:
        return
    chain = _chain_of(waiting[0]["region_code"])
    number, seal = _locked_end(session, chain)
    rows = []
    for entry in waiting:
        number += 1
        row = {**entry, "chain": chain, "number": number}
        seal = row["seal"] = _sealed(seal, row)
        rows.append(row)
    session.execute(insert(AuditEntry), rows)
    session.execute(update(AuditChain).where(AuditChain.chain == chain).values(number=number, seal=seal))


def _chain_of(region_code: str) -> str:
    return region_code[:2]


def _locked_end(session: Session, chain: str) -> tuple[int, str]:
    """The end of a chain, which nobody else may extend until this transaction is over."""
    first = upsert(AuditChain).values(chain=chain, number=0, seal=_BEGINNING)
    locked = first.on_conflict_do_update(index_elements=[AuditChain.chain], set_={"number": AuditChain.number})
    end = session.execute(locked.returning(AuditChain.number, AuditChain.seal)).one()
    return end.number, end.seal


def _sealed(before: str, row: dict[str, Any]) -> str:
    values = [row[name] if name != "at" else row["at"].astimezone(UTC).isoformat() for name in _SEALED]
    return ciphers.seal(json.dumps([before, *values], ensure_ascii=False, sort_keys=True))


@dataclass(frozen=True)
class Break:
    """Where a chain does not hold: the first entry that is not as it was written, or is not there."""

    chain: str
    number: int
    what: str


def verify() -> tuple[int, list[Break]]:
    """Follow every chain from its beginning, and to where each proof before saw its end.

    Returns the number of entries seen, and the first break of each chain.
    """
    last = {end.chain: end for end in ends()}
    known = set(last) | set(db.session.scalars(select(AuditEntry.chain).distinct()))
    seen, breaks = 0, []
    for chain in sorted(known):
        length, broken = _follow(chain, last.get(chain))
        seen += length
        if broken:
            breaks.append(broken)
    return seen, [*breaks, *_cut_off({each.chain for each in breaks})]


def _cut_off(broken: set[str]) -> Iterator[Break]:
    """Chains that no longer reach where the last proofs, which stand in all chains, saw their ends."""
    for chain, (number, seal) in sorted(_proved_ends().items()):
        if chain not in broken:
            there = select(AuditEntry.seal).where(AuditEntry.chain == chain, AuditEntry.number == number)
            found = db.session.scalar(there)
            if found != seal:
                yield Break(chain, number, "missing" if found is None else "changed")


def _proved_ends() -> dict[str, tuple[int, str]]:
    """The furthest end of each chain that the last proof in any chain has seen."""
    last = select(func.max(AuditEntry.id)).where(AuditEntry.action == PROOF).group_by(AuditEntry.chain)
    ends: dict[str, tuple[int, str]] = {}
    for detail in db.session.scalars(select(AuditEntry.detail).where(AuditEntry.id.in_(last))):
        for chain, number, seal in map(str.split, detail.get("ends", ())):
            ends[chain] = max(ends.get(chain, (0, "")), (int(number), seal))
    return ends


def fits_key() -> bool:
    """Whether the log was sealed with the key of now, judged by its first entry; also if it is empty."""
    first = next(iter(_entries(None)), None)
    return first is None or _sealed(_BEGINNING, first) == first["seal"]


def ends() -> list[AuditChain]:
    """The end of each chain."""
    return list(db.session.scalars(select(AuditChain).order_by(AuditChain.chain)))


def _follow(chain: str, end: AuditChain | None) -> tuple[int, Break | None]:
    number, seal = 0, _BEGINNING
    for row in _entries(chain):
        if row["number"] != number + 1:
            return number, Break(chain, number + 1, "missing")
        number += 1
        if _sealed(seal, row) != row["seal"]:
            return number, Break(chain, number, "changed")
        seal = row["seal"]
    if end is None or end.number > number:
        return number, Break(chain, number + 1, "missing")
    if (end.number, end.seal) != (number, seal):
        return number, Break(chain, end.number + 1, "added")
    return number, None


def entries(chain: str, *, after: int, most: int) -> Iterator[dict[str, Any]]:
    """The entries of a chain behind the one with this number, sealed as they stand there."""
    columns = [getattr(AuditEntry, name) for name in (*_SEALED, "seal")]
    rows = select(*columns).where(AuditEntry.chain == chain, AuditEntry.number > after).order_by(AuditEntry.number)
    return (dict(row) for row in db.session.execute(rows.limit(most)).mappings())


def _entries(chain: str | None) -> Iterator[dict[str, Any]]:
    """The entries of a chain in order; without one, the first entry of each."""
    columns = [getattr(AuditEntry, name) for name in (*_SEALED, "seal")]
    which = AuditEntry.number == 1 if chain is None else AuditEntry.chain == chain
    rows = select(*columns).where(which).order_by(AuditEntry.number)
    for row in db.session.execute(rows.execution_options(yield_per=2000)).mappings():
        yield dict(row)
