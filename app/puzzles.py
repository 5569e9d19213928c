"""A captcha as people see or hear it: characters on a wavy line, or spoken one after the other over noise."""

import io
import math
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import SystemRandom

from PIL import Image, ImageDraw, ImageFont

DATA = Path(__file__).parent / "data"
FONT = DATA / "fonts" / "NotoSansSC-Regular.ttf"
VOICES = DATA / "voices"
# No two of them look or sound alike.
CHARACTERS = "ACDEFHJKLMNPRTUVWXY34679"
WIDTH, HEIGHT = 200, 64
SIZES = (36, 39, 42)
RATE = 8000  # samples a second, 8 bits each

random = SystemRandom()


def picture(text: str) -> bytes:
    """Return a PNG of the text: turned, leaning, overlapping letters, struck through and bent along a wave."""
    ink = _bent(_struck_through(_letters(text)))
    page = Image.new("RGB", (WIDTH, HEIGHT), (random.randint(225, 250),) * 3)
    page.paste(Image.new("RGB", page.size, _colour(20, 110)), (0, 0), ink)
    pen = ImageDraw.Draw(page)
    for _ in range(60):
        pen.point((random.randrange(WIDTH), random.randrange(HEIGHT)), fill=_colour(20, 160))
    file = io.BytesIO()
    page.save(file, "PNG")
    return file.getvalue()


def sound(text: str) -> bytes:
    """Return a WAV of the text, each character in one of two voices and at a speed of its own, over a murmur."""
    parts = [_silence(0.4)]
    for character in text:
        parts += [_spoken(character), _silence(random.uniform(0.25, 0.6))]
    speech = b"".join(parts)
    murmur = _murmur(len(speech))
    return _wav(bytes(min(255, max(0, s + m - 128)) for s, m in zip(speech, murmur, strict=True)))


# --- The picture ---------------------------------------------------------------------------------


def _letters(text: str) -> Image.Image:
    """Each in its share of the width, but not in the middle of it: some touch, none hides another."""
    ink = Image.new("L", (WIDTH, HEIGHT), 0)
    share = (WIDTH - 16) / len(text)
    for number, character in enumerate(text):
        letter = _letter(character)
        x = 8 + share * (number + 0.5) - letter.width / 2 + random.uniform(-5, 5)
        y = (HEIGHT - letter.height) / 2 + random.uniform(-7, 7)
        ink.paste(255, (int(max(0, x)), int(max(0, y))), letter)
    return ink


def _letter(character: str) -> Image.Image:
    box = Image.new("L", (64, 70), 0)
    ImageDraw.Draw(box).text((14, 2), character, font=_font(random.choice(SIZES)), fill=255)
    turned = box.rotate(random.uniform(-26, 26), resample=Image.Resampling.BICUBIC)
    width, height = box.size
    corners = (0, 0, 0, height, width, height, width, 0)
    leaning = tuple(corner + random.uniform(-6, 6) for corner in corners)
    shaped = turned.transform(box.size, Image.Transform.QUAD, leaning, Image.Resampling.BILINEAR)
    return shaped.crop(shaped.getbbox())


@lru_cache(maxsize=len(SIZES))
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), size)


def _struck_through(ink: Image.Image) -> Image.Image:
    """Two strokes as thick as the letters: whoever cuts the picture into letters cuts wrongly."""
    for above in (0, HEIGHT // 3):
        heights = [random.randint(above + 8, above + HEIGHT // 2) for _ in range(4)]
        curve = [(x * WIDTH / 40, _bezier(heights, x / 40)) for x in range(41)]
        ImageDraw.Draw(ink).line(curve, fill=255, width=3, joint="curve")
    return ink


def _bezier(ends: list[int], t: float) -> float:
    first, second, third, fourth = ends
    return (1 - t) ** 3 * first + 3 * t * (1 - t) ** 2 * second + 3 * t * t * (1 - t) * third + t**3 * fourth


def _bent(ink: Image.Image) -> Image.Image:
    height, length, phase = random.uniform(3, 5), random.uniform(50, 90), random.uniform(0, 2 * math.pi)

    def wave(x: int) -> float:
        return height * math.sin(2 * math.pi * x / length + phase)

    step = WIDTH // 10
    strips = [
        (
            (x, 0, x + step, HEIGHT),
            (x, wave(x), x, HEIGHT + wave(x), x + step, HEIGHT + wave(x + step), x + step, wave(x + step)),
        )
        for x in range(0, WIDTH, step)
    ]
    return ink.transform(ink.size, Image.Transform.MESH, strips, Image.Resampling.BILINEAR)


def _colour(darkest: int, lightest: int) -> tuple[int, ...]:
    return tuple(random.randint(darkest, lightest) for _ in range(3))


# --- The sound -----------------------------------------------------------------------------------


def _spoken(character: str) -> bytes:
    samples = _voice(character, random.choice((1, 2)))
    speed = random.uniform(0.88, 1.12)
    loudness = random.uniform(0.7, 1.0)
    return bytes(int(128 + (samples[int(at * speed)] - 128) * loudness) for at in range(int(len(samples) / speed)))


@lru_cache(maxsize=2 * len(CHARACTERS))
def _voice(character: str, voice: int) -> bytes:
    return (VOICES / f"{character}-{voice}.pcm").read_bytes()


def _murmur(length: int) -> bytes:
    """Voices run backwards, softly: they hide where a character begins."""

    def stream() -> Iterator[int]:
        while True:
            for sample in reversed(_voice(random.choice(CHARACTERS), random.choice((1, 2)))):
                yield 128 + (sample - 128) // 5

    voices = stream()
    return bytes(next(voices) for _ in range(length))


def _silence(seconds: float) -> bytes:
    return b"\x80" * int(RATE * seconds)


def _wav(samples: bytes) -> bytes:
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8,
                       b"data", len(samples))  # fmt: skip
    return head + samples
