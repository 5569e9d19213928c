"""What all counties have in common: authorities, institutions, kinds, stories and the calendar."""

from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from app.domain.history import FIRST
from app.seeding import institutions, loading, places, staff
from app.seeding.clock import Clock
from app.seeding.institutions import Market
from app.seeding.kinds import Kinds, Make
from app.seeding.organizations import ORGANIZATION_COLUMNS, Authority, authorities
from app.seeding.stories import Stories
from app.seeding.units import USERS


@dataclass
class World:
    """`makes` has what each sort of using unit has; `stories` those without and with a backlog."""

    seed: int
    clock: Clock
    authorities: dict[str, Authority]
    market: Market
    makes: dict[str, list[Make]]
    stories: dict[bool, Stories]


def build(seed: int, today: date, demo: bool) -> World:
    dice = Random(seed)  # noqa: S311 -- made-up data
    kinds, known = Kinds(), authorities(dice)
    market = Market(kinds, known, dice, demo)
    return World(
        seed=seed,
        clock=Clock(today, FIRST),
        authorities=known,
        market=market,
        makes={key: kinds.makes(users, dice) for key, users in USERS.items()},
        stories={backlog: Stories(backlog) for backlog in (True, False)},
    )


def write(connection: Any, world: World) -> None:
    """Append the rows of authorities and institutions."""
    for table, columns, lines in rows(world):
        loading.copy(connection, table, columns, lines)


def rows(world: World) -> list[tuple[str, str, list[str]]]:
    """Table, columns and lines, in the order in which foreign keys allow to write them."""
    clock, dice = world.clock, Random(world.seed + 1)  # noqa: S311 -- made-up data
    houses, regions = world.market.houses, {region.code: region for region in places.regions()}
    able = [(house, capability) for house in houses for capability in house.capabilities]
    authority_lines = [authority.line for authority in world.authorities.values()]
    house_lines = [institutions.organization_line(house) for house in houses]
    return [
        ("organization", ORGANIZATION_COLUMNS, authority_lines + house_lines),
        (
            "institution",
            institutions.INSTITUTION_COLUMNS,
            [institutions.institution_line(house, regions[house.region_code], clock, dice) for house in houses],
        ),
        (
            "measurement_standard",
            institutions.STANDARD_COLUMNS,
            [line for house in houses for line in institutions.standard_lines(house, clock, dice)],
        ),
        (
            "capability",
            institutions.CAPABILITY_COLUMNS,
            [institutions.capability_line(house, capability, clock, dice) for house, capability in able],
        ),
        (
            "service_region",
            institutions.SERVICE_COLUMNS,
            [line for _house, capability in able for line in institutions.service_lines(capability)],
        ),
        ("staff_member", staff.STAFF_COLUMNS, [line for house in houses for line in staff.staff_lines(house)]),
        (
            "qualification",
            staff.QUALIFICATION_COLUMNS,
            [line for house in houses for line in staff.qualification_lines(house, clock, dice)],
        ),
        ("issuing_rule", staff.RULE_COLUMNS, [staff.rule_line(house) for house in houses]),
    ]
