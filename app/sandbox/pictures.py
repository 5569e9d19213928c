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
_SMOOTH = ("L", "RGB", "CMYK", "YCbCr")
_WRITTEN = {"JPEG": ("L", "RGB"), "PNG": ("1", "L", "P", "RGB", "I;16")}
# Rows that are drawn onto white at a time: a whole picture in several kinds of colours needs too much memory.
_STRIP = 256
# Grey of 16 bits in 8. Pillow's own conversion makes everything above 255 white.
_GREY = [(level + 128) // 257 for level in range(65_536)]
# Pillow scales grey of fewer bits to 8, but not the grey that is transparent; of 16-bit colours it keeps the first
# byte, but of the transparent one both.
_TRANSPARENT: dict[Any, Any] = {
    "1": lambda grey: grey * 255,
    "L;2": lambda grey: grey * 85,
    "L;4": lambda grey: grey * 17,
    "RGB;16B": lambda colour: tuple(part >> 8 for part in colour),
}
# As white as what JPEG makes of white.
_WHITE = 250


def photo(data: bytes, options: dict[str, Any], output: BinaryIO) -> None:
    """As JPEG: upright, not too large, without place, time and camera (个人信息保护法 Art 6)."""
    side = options["longest_side"]
    try:
        with _opened(data, ("JPEG", "PNG", "WEBP")) as picture:
            drawn = _converted(_on_white(picture), _SMOOTH)
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
            drawn = _grey(picture) if picture.mode == "I;16" else picture
            written = _written(drawn.convert("RGBA"), "PNG", optimize=True)
    except UNREADABLE as unreadable:
        raise Unreadable(_("This is not a PNG picture.")) from unreadable
    put("png", written, output)


def scan(data: bytes, output: BinaryIO) -> None:
    """A scanned page in full size, as JPEG or PNG; what is transparent becomes white."""
    try:
        with _opened(data, ("JPEG", "PNG")) as picture:
            kind = "PNG" if picture.format == "PNG" else "JPEG"
            drawn = _converted(_on_white(picture), _WRITTEN[kind])
            ImageOps.exif_transpose(drawn, in_place=True)
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
    # A JPEG may hold its own preview as a second picture; of a film only the first picture would be left.
    if picture.format in ("PNG", "WEBP") and getattr(picture, "is_animated", False):
        raise Unreadable(_("The picture moves, and only a still one can be kept. Choose a still picture."))
    how = _TRANSPARENT.get(picture.tile[0].args if picture.tile else "")
    if how and "transparency" in picture.info:
        picture.info["transparency"] = how(picture.info["transparency"])
    return picture


def _on_white(picture: Image.Image) -> Image.Image:
    """Draw a picture onto white if any of it is transparent; black writing on a clear ground would end on black."""
    if not picture.has_transparency_data:
        return picture
    ImageOps.exif_transpose(picture, in_place=True)
    drawn, is_clear = Image.new("RGB", picture.size, "white"), False
    for top in range(0, picture.height, _STRIP):
        part = picture.crop((0, top, picture.width, min(top + _STRIP, picture.height)))
        part = (_grey(part) if part.mode == "I;16" else part).convert("RGBA")
        is_clear = is_clear or any(part.getchannel("A").histogram()[:255])
        drawn.paste(part, (0, top), part)
    if is_clear and not any(drawn.convert("L").histogram()[:_WHITE]):
        raise Unreadable(
            _("On white nothing of the picture is seen. Save it without transparency, and choose it again.")
        )
    return drawn


def _converted(picture: Image.Image, modes: tuple[str, ...]) -> Image.Image:
    if picture.mode in modes:
        return picture
    return _grey(picture) if picture.mode == "I;16" else picture.convert("RGB")


def _grey(picture: Image.Image) -> Image.Image:
    """Return a grey picture of 16 bits in 8 bits, with what is transparent of it."""
    levels = picture.convert("I")
    grey = levels.point(_GREY, "L")
    transparent = picture.info.get("transparency")
    if transparent is not None:
        grey.putalpha(levels.point([0 if level == transparent else 255 for level in range(65_536)], "L"))
    return grey


def _written(picture: Image.Image, kind: str, **how: Any) -> bytes:
    picture.info.clear()  # comments, resolutions and profiles of colours would be written along with the picture
    file = BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()
