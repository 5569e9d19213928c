"""The people of institutions, what they are qualified for, and how their certificates are numbered."""

from random import Random

from app.seeding.clock import Clock
from app.seeding.institutions import House

STAFF_COLUMNS = "id institution_id name approves"
QUALIFICATION_COLUMNS = "institution_id staff_member_id certificate_no catalogue_item_ids valid_from valid_until"
RULE_COLUMNS = "institution_id pattern"
PEOPLE = 10  # at most, of an institution: their ids follow from its own
CLERK, CHECKER, APPROVER = range(3)


def staff_lines(house: House) -> list[str]:
    """Everybody but the clerk at the counter, with the checker and the approver first."""
    return [
        f"{house.id * PEOPLE + number}\t{house.id}\t{name}\t{'t' if number == APPROVER else 'f'}\n"
        for number, name in enumerate(house.people)
        if number != CLERK
    ]


def qualification_lines(house: House, clock: Clock, dice: Random) -> list[str]:
    """Verifiers for all that the institution verifies; one in thirty has run out."""
    items = "{" + ",".join(str(id) for id in sorted({each.item_id for each in house.capabilities})) + "}"
    lines = []
    for number in range(len(house.people)):
        if number in (CLERK, APPROVER):
            continue
        until = -dice.randrange(1, 90) if number > 3 and dice.random() < 1 / 30 else dice.randrange(20, 1400)
        lines.append(
            f"{house.id}\t{house.id * PEOPLE + number}\t检{house.sign}{house.id * PEOPLE + number:08d}\t{items}\t"
            f"{clock.text(until - 1825)}\t{clock.text(until)}\n"
        )
    return lines


def rule_line(house: House) -> str:
    return f"{house.id}\t{house.sign}检{{year}}{house.id}{{number:6}}\n"
