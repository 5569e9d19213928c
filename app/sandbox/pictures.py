"""Pictures from outside, drawn anew: what else was in the file (place, camera, profiles, trailing data) is not kept.

Runs only in the child process. One picture is in memory at a time, and only as large as is needed of it.
"""

import json
from io import BytesIO
from typing import Any, BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from .messages import Unreadable, message as _

MOST_PIXELS = 24_000_000
# The decoder of WebP keeps a picture in memory four times.
MOST_PIXELS_OF_WEBP = 12_000_000
# A progressive JPEG is drawn once for each of its scans; programs write about ten.
MOST_SCANS_OF_JPEG = 100
_START_OF_SCAN = b"\xff\xda"
# What Pillow raises for what is no picture, or claims to be a gigantic one.
UNREADABLE = (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError, EOFError)
# Kinds of colours that can be made smaller as they are.
_SMOOTH = ("L", "RGB", "RGBA", "CMYK", "YCbCr")
_WRITTEN = {"JPEG": ("L", "RGB"), "PNG": ("1", "L", "P", "RGB", "RGBA", "LA")}


def photo(data: bytes, options: dict[str, Any], output: BinaryIO) -> None:
    """As JPEG: upright, not too large, without place, time and camera (个人信息保护法 Art 6)."""
    side = options["longest_side"]
    try:
        with _opened(data, ("JPEG", "PNG", "WEBP")) as picture:
            drawn = picture if picture.mode in _SMOOTH else picture.convert("RGB")
            drawn.thumbnail((side, side))
            written = _written(ImageOps.exif_transpose(drawn).convert("RGB"), "JPEG", quality=85)
    except UNREADABLE as unreadable:
        raise Unreadable(_("This is not a photo (JPEG, PNG or WebP).")) from unreadable
    put("jpeg", written, output)


def seal(data: bytes, options: dict[str, Any], output: BinaryIO) -> None:
    """As PNG with its transparent ground."""
    low, high = options["sides"]
    try:
        with _opened(data, ("PNG",)) as picture:
            if not all(low <= side <= high for side in picture.size):
                raise Unreadable(_("A seal is %(low)s to %(high)s pixels wide and high.", low=low, high=high))
            written = _written(picture.convert("RGBA"), "PNG", optimize=True)
    except UNREADABLE as unreadable:
        raise Unreadable(_("This is not a PNG picture.")) from unreadable
    put("png", written, output)


def scan(data: bytes, output: BinaryIO) -> None:
    """A scanned page in full size, as JPEG or PNG, as it came."""
    try:
        with _opened(data, ("JPEG", "PNG")) as picture:
            kind = "PNG" if picture.format == "PNG" else "JPEG"
            ImageOps.exif_transpose(picture, in_place=True)
            drawn = picture if picture.mode in _WRITTEN[kind] else picture.convert("RGB")
            written = _written(drawn, kind, **({"quality": 90} if kind == "JPEG" else {}))
    except UNREADABLE as unreadable:
        raise Unreadable(_("A scan is a PDF, a JPEG or a PNG.")) from unreadable
    put(kind.lower(), written, output)


def put(kind: str, content: bytes, output: BinaryIO) -> None:
    """Write a file for the parent: its kind and size in a line, then itself."""
    output.write(json.dumps({"kind": kind, "size": len(content)}).encode() + b"\n")
    output.write(content)


def _opened(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    picture = Image.open(BytesIO(data), formats=formats)
    most = MOST_PIXELS_OF_WEBP if picture.format == "WEBP" else MOST_PIXELS
    if picture.width * picture.height > most:
        raise Unreadable(
            _("The picture has more than %(most)s million pixels. Make it smaller.", most=most // 1_000_000)
        )
    if picture.format == "JPEG" and data.count(_START_OF_SCAN) > MOST_SCANS_OF_JPEG:
        raise Unreadable(_("The picture is built in too many layers. Save it anew with another program."))
    return picture


def _written(picture: Image.Image, kind: str, **how: Any) -> bytes:
    transparent = picture.info.get("transparency")
    picture.info.clear()  # comments, resolutions and profiles of colours would be written along with the picture
    if transparent is not None and kind == "PNG" and picture.mode in ("P", "L", "RGB"):
        how["transparency"] = transparent
    file = BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()
