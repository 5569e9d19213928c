"""What using units booked: appointments, their tasks, the events of these, and certificates."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from random import Random

from app.seeding import names, tracks
from app.seeding.clock import TICKS_A_DAY
from app.seeding.institutions import House, standards_named
from app.seeding.kinds import Kind
from app.seeding.ledger import Owned
from app.seeding.loading import NULL
from app.seeding.organizations import desks, event_person
from app.seeding.places import Place
from app.seeding.stories import DRAFTED, LONGEST, Story
from app.seeding.tracks import TRACK_COLUMNS, Setting, Track
from app.seeding.units import Unit
from app.seeding.world import World
from app.states import CERTIFIED, OPEN

APPOINTMENT_COLUMNS = (
    "submitted id no applied_at delivery wished_on remark applicant contact phone using_unit_id city_code region_code"
)
TASK_COLUMNS = (
    f"id instrument_id catalogue_item_id delivery {TRACK_COLUMNS} appointment_id applied_at "
    "using_unit_id city_code region_code"
)
CERTIFICATE_COLUMNS = (
    "id task_id instrument_id no kind passed verified_on valid_until regulation verifier checker "
    "approver standards institution_id publication published_at code issued_at using_unit_id city_code region_code"
)
MOST_TASKS = 2  # of one instrument
LARGEST = 40  # tasks of one appointment
NEW_DAYS = 18  # working days after which nearly every task is done
BOOKED, BOOKED_TWICE = 0.68, 0.04
DRAFT_APPOINTMENTS = 0.02
FOLLOWS_THE_OTHERS = 0.6
FAILED = 0.04
PUBLISHED = 0.45


class Bookings:
    """Writes the appointments of a place."""

    def __init__(self, place: Place, world: World, dice: Random):
        self.place, self.clock, self.market, self.dice = place, world.clock, world.market, dice
        self.random = dice.random
        self.desks = desks(place, world.authorities)
        self.stories = world.stories[place.backlog]
        self.around = world.market.around(place)
        self.able: dict[Kind, list[House]] = {}
        self.numbers: dict[str, int] = defaultdict(int)
        self.where = f"{place.city_code}\t{place.code}\n"
        self.appointments: list[str] = []
        self.tasks: list[str] = []
        self.events: list[str] = []
        self.certificates: list[str] = []
        self.appointment_id = self.task_id = place.before * MOST_TASKS
        self.event_id = place.before * MOST_TASKS * LONGEST

    def book(self, unit: Unit, owned: list[Owned]) -> None:
        """Book some of the instruments of a unit, a few of them a second time."""
        done = 0
        while done < len(owned):
            size = 1 + int(self.random() ** 2 * LARGEST)
            chunk, done = owned[done : done + size], done + size
            draw = self.random()
            if draw < BOOKED_TWICE:
                self._appoint(unit, chunk, long_ago=True)
            if draw < BOOKED:
                self._appoint(unit, chunk, long_ago=False)

    def _appoint(self, unit: Unit, chunk: list[Owned], long_ago: bool) -> None:
        new = not long_ago and self.random() < self.stories.new_share
        days = self._age(new, long_ago)
        ago = int(days * TICKS_A_DAY)
        share = 0.35 + self.random() * 0.6
        luck = int(self.random() * 1_000_000)
        applied = self.clock.end - 1 - ago
        person = event_person(unit.contact, unit)
        setting = Setting(self.clock, applied, int(ago * share), luck, person, self.desks)
        at = self.clock.at(applied)
        self._write_appointment(unit, chunk[0].make.kind, applied, at)
        tail = f"{self.appointment_id}\t{at}\t{unit.id}\t{self.where}"
        draw = partial(self.stories.draw, self.dice, new=new, days=days, desks=len(self.desks))
        leads = self._leads(new, long_ago, draw)
        self.appointments[-1] = f"{'f' if leads[True] is DRAFTED else 't'}\t{self.appointments[-1]}"
        walked: dict[tuple[Story, int], Track] = {}
        for each in chunk:
            able = self._able(each.make.kind)
            story, houses = leads[bool(able)], able or self.around
            if new and story is not DRAFTED and self.random() >= FOLLOWS_THE_OTHERS:
                story = draw(bool(able))
            track = walked.get((story, id(houses)))
            if track is None:
                first = int((luck % 1000 / 1000) ** 2 * len(houses))
                if not new:
                    setting.lasts = _lasts(houses[first], ago, share)
                track = walked[story, id(houses)] = tracks.track(story, setting, houses, first, bool(able))
            self._write_task(each, track, luck, unit, tail)

    def _age(self, new: bool, long_ago: bool) -> float:
        """Working days since the appointment."""
        oldest = self.clock.end / TICKS_A_DAY - 1
        if new:
            return 0.5 + self.random() * (NEW_DAYS - 0.5)
        if long_ago:
            return oldest * (0.7 + self.random() * 0.3)
        return NEW_DAYS + self.random() * (oldest * 0.68 - NEW_DAYS)

    def _leads(self, new: bool, long_ago: bool, draw: Callable[[bool], Story]) -> dict[bool, Story]:
        """How most tasks of an appointment went: those that an institution was found for, and the others."""
        if long_ago:
            return {matched: self.stories.certified(matched) for matched in (True, False)}
        if new and self.random() < DRAFT_APPOINTMENTS:
            return {True: DRAFTED, False: DRAFTED}
        return {matched: draw(matched) for matched in (True, False)}

    def _able(self, kind: Kind) -> list[House]:
        if kind not in self.able:
            self.able[kind] = self.market.able(self.place, kind)
        return self.able[kind]

    # --- As rows ---------------------------------------------------------------------------------

    def _write_appointment(self, unit: Unit, kind: Kind, applied: int, at: str) -> None:
        self.appointment_id += 1
        day = at[:10].replace("-", "")
        self.numbers[day] += 1
        draw = self.random()
        wished = self.clock.text(self.clock.offset(applied) + 3 + int(draw * 12)) if draw < 0.7 else NULL
        remark = names.REMARKS[int(draw * 40)] if draw * 40 < len(names.REMARKS) else NULL
        self.appointments.append(
            f"{self.appointment_id}\tYY{self.place.code}-{day}-{self.numbers[day]:06d}\t{at}\t{kind.delivery}\t"
            f"{wished}\t{remark}\t{unit.name}\t{unit.contact}\t{unit.phone}\t{unit.id}\t{self.where}"
        )

    def _write_task(self, each: Owned, track: Track, luck: int, unit: Unit, tail: str) -> None:
        self.task_id += 1
        kind = each.make.kind
        whose = f"{unit.id}\t{self.where}"
        self.tasks.append(f"{self.task_id}\t{each.id}\t{kind.item_id}\t{kind.delivery}\t{track.task}\t{tail}")
        task = f"{self.task_id}\t{whose}"
        self.events += [f"{id}{event}{task}" for id, event in enumerate(track.events, self.event_id + 1)]
        self.event_id += len(track.events)
        each.is_booked = True
        each.is_open = track.state in OPEN
        if track.state == CERTIFIED and track.house:
            self._write_certificate(each, track, track.house, luck, whose)

    def _write_certificate(self, each: Owned, track: Track, house: House, luck: int, whose: str) -> None:
        kind, draw = each.make.kind, self.random()
        verified = each.verified = self.clock.offset(track.recorded)
        passed = each.passed = draw >= FAILED
        self.numbers["certificate"] += 1
        day, number = self.clock.text(verified), self.numbers["certificate"]
        until = self.clock.text(self.clock.months_after(verified, kind.cycle)) if passed else NULL
        published = draw * 100 % 1 < PUBLISHED and track.finished + TICKS_A_DAY < self.clock.end
        at = self.clock.at(track.finished + TICKS_A_DAY) if published else NULL
        self.certificates.append(
            f"{self.task_id}\t{self.task_id}\t{each.id}\tJD{day[:4]}{self.place.code}{number:07d}\t"
            f"{'verification' if passed else 'rejection'}\t{'t' if passed else 'f'}\t{day}\t{until}\t"
            f"{kind.regulation}\t{tracks.signatures(house, luck)}\t{standards_named(house, kind.item_id, self.clock)}\t"
            f"{house.id}\t"
            f"{'published' if published else 'unpublished'}\t{at}\t{self.dice.getrandbits(64):016X}\t"
            f"{self.clock.at(track.finished)}\t{whose}"
        )


def _lasts(house: House, ago: int, share: float) -> int:
    """Ticks from the appointment to the last step, if nothing is in a hurry."""
    return min(int(house.mean_days * TICKS_A_DAY * (0.5 + share)), int(ago * 0.95))
