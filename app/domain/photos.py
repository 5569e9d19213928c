"""Photos of instruments: of the name plate, the seal, the place. Kept small, and without what a camera adds."""

from collections.abc import Sequence

from flask_babel import gettext as _
from sqlalchemy import func, select

from app import audit, files
from app.access import Principal
from app.domain import uploads
from app.errors import RuleError
from app.models import Instrument, Photo, db
from app.sandbox.children import Upload
from app.sandbox.uploads import PHOTOS

MOST = 10
MOST_BYTES = 15 * 1024 * 1024
LONGEST_SIDE = 1800


def add(instrument_id: int, pictures: Sequence[Upload], by: Principal) -> int | None:
    """Add pictures to an instrument; None if there is none. Gives how many it has now."""
    found: Instrument | None = db.session.get(Instrument, instrument_id)
    if found is None:
        return None
    there = db.session.scalar(select(func.count()).where(Photo.instrument_id == instrument_id)) or 0
    if there + len(pictures) > MOST:
        raise RuleError(_("An instrument has at most %(most)s photos.", most=MOST), field="photos")
    for content in opened(pictures, MOST):
        db.session.add(
            Photo(
                instrument_id=found.id,
                file=files.keep(content),
                using_unit_id=found.using_unit_id,
                city_code=found.city_code,
                region_code=found.region_code,
            )
        )
    audit.record("add_photos", "instrument", found.id, str(found), by=by, done=len(pictures))
    return int(there + len(pictures))


def opened(pictures: Sequence[Upload], most: int) -> list[bytes]:
    """Pictures as JPEG: upright, not too large, without place, time and camera. None, if they are too many anyway."""
    if len(pictures) > most:
        return []
    options = {"longest_side": LONGEST_SIDE}
    made = uploads.opened(PHOTOS, pictures, options, most_bytes=MOST_BYTES, field="photos")
    return [picture.content for picture in made]


def find(photo_id: int) -> Photo | None:
    """A photo that the acting person may see."""
    found: Photo | None = db.session.get(Photo, photo_id)
    return found
