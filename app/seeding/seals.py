"""Seals of made-up institutions (检定专用章): a ring, a star, the name on an arc. Real ones are uploaded."""

import io
from math import cos, pi, sin

from PIL import Image, ImageDraw, ImageFont

from app.papers import FONT_FILE

_RED = (206, 32, 41)
_SIZE, _FINER = 480, 3  # drawn three times as large and reduced, for smooth edges
_PURPOSE = "检定专用章"


def demo_seal(name: str) -> bytes:
    """A round seal as PNG with a transparent ground."""
    side = _SIZE * _FINER
    ink = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(ink)
    pen.ellipse((side * 0.02, side * 0.02, side * 0.98, side * 0.98), outline=255, width=int(side * 0.028))
    pen.polygon(_star(side / 2, side * 0.47, side * 0.16), fill=255)
    _on_an_arc(ink, name)
    font = ImageFont.truetype(str(FONT_FILE), int(side * 0.088))
    pen.text((side / 2, side * 0.765), _PURPOSE, fill=255, font=font, anchor="mm", stroke_width=side // 400)
    # A pressed seal is not quite opaque: what it covers stays legible.
    ink = ink.resize((_SIZE, _SIZE), Image.Resampling.LANCZOS).point(lambda value: value * 0.86)
    seal = Image.new("RGBA", ink.size, (*_RED, 0))
    seal.putalpha(ink)
    file = io.BytesIO()
    seal.save(file, "PNG", optimize=True)
    return file.getvalue()


def _star(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    inner = radius * 0.382
    corners = ((radius if corner % 2 == 0 else inner, corner * pi / 5) for corner in range(10))
    return [(x + reach * sin(turn), y - reach * cos(turn)) for reach, turn in corners]


def _on_an_arc(ink: Image.Image, name: str) -> None:
    """The name around the star from left to right; the more characters, the narrower they are."""
    side = ink.width
    span = min(250, 24 * (len(name) - 1))
    step = span / max(len(name) - 1, 1)
    height = int(side * 0.13)
    width = int(min(height * 0.92, side * 0.38 * step * pi / 180 * 0.92)) if len(name) > 1 else height
    for number, character in enumerate(name):
        turn = step * number - span / 2
        tile = _character(character, height).resize((width, height), Image.Resampling.LANCZOS)
        tile = tile.rotate(-turn, expand=True, resample=Image.Resampling.BICUBIC)
        x = side / 2 + side * 0.385 * sin(turn * pi / 180)
        y = side / 2 - side * 0.385 * cos(turn * pi / 180)
        ink.paste(255, (int(x - tile.width / 2), int(y - tile.height / 2)), tile)


def _character(character: str, side: int) -> Image.Image:
    tile = Image.new("L", (side, side), 0)
    font = ImageFont.truetype(str(FONT_FILE), int(side * 0.98))
    ImageDraw.Draw(tile).text(
        (side / 2, side / 2), character, fill=255, font=font, anchor="mm", stroke_width=side // 60
    )
    return tile
