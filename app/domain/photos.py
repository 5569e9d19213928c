"""Photos of instruments: of the name plate, the seal, the place. Kept small, and without what a camera adds."""

from io import BytesIO
from typing import BinaryIO

from flask_babel import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy import func, select

from app import audit, files
from app.access import Principal
from app.errors import RuleError
from app.models import Instrument, Photo, db

MOST = 10
MOST_BYTES = 15 * 1024 * 1024
MOST_PIXELS = 60_000_000
LONGEST_SIDE = 1800
KINDS = ("JPEG", "PNG", "WEBP")
# What Pillow raises for what is no picture, or claims to be a gigantic one.
UNREADABLE = (
    UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning, OSError, ValueError,
    SyntaxError,
)  # fmt: skip


def add(instrument_id: int, pictures: list[BinaryIO], by: Principal) -> int | None:
    """Add pictures to an instrument; None if there is none. Gives how many it has now."""
    found: Instrument | None = db.session.get(Instrument, instrument_id)
    if found is None:
        return None
    there = db.session.scalar(select(func.count()).where(Photo.instrument_id == instrument_id)) or 0
    if there + len(pictures) > MOST:
        raise RuleError(_("An instrument has at most %(most)s photos.", most=MOST), field="photos")
    for picture in pictures:
        db.session.add(
            Photo(
                instrument_id=found.id,
                file=files.keep(cleaned(picture)),
                using_unit_id=found.using_unit_id,
                city_code=found.city_code,
                region_code=found.region_code,
            )
        )
    audit.record("add_photos", "instrument", found.id, str(found), by=by, done=len(pictures))
    return int(there + len(pictures))


def cleaned(picture: BinaryIO) -> bytes:
    """A picture as JPEG: upright, not too large, without place, time and camera (个人信息保护法 Art 6)."""
    content = picture.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise RuleError(_("A photo has at most %(most)s MB.", most=MOST_BYTES // 2**20), field="photos")
    try:
        with Image.open(BytesIO(content), formats=KINDS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise RuleError(_("The photo has too many pixels."), field="photos")
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    except UNREADABLE as unreadable:
        raise RuleError(_("This is not a photo (JPEG, PNG or WebP)."), field="photos") from unreadable
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    written = BytesIO()
    upright.save(written, "JPEG", quality=85)
    return written.getvalue()


def find(photo_id: int) -> Photo | None:
    """A photo that the acting person may see."""
    found: Photo | None = db.session.get(Photo, photo_id)
    return found
