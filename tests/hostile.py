"""Files as somebody might send them: ordinary ones, and about a hundred that want to fill memory or time."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import pikepdf
from PIL import Image

from tests.test_incoming_sheets import GOOD, HEAD, MAIN, OFFICE, PACKAGE, package
from tests.test_old_workbooks import number, record, workbook

MEGABYTE = 1024 * 1024


def image(kind: str, size: tuple[int, int] = (60, 40), mode: str = "RGB", **how: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **how)
    return file.getvalue()


def pdf(pages: int = 1, **root: Any) -> bytes:
    """A PDF of some pages with a word on each, and what else the catalogue has."""
    file = io.BytesIO()
    with pikepdf.new() as made:
        for _page in range(pages):
            made.add_blank_page(page_size=(200, 100)).contents_add(b"0 0 m 100 50 l S")
        for key, value in root.items():
            made.Root[f"/{key}"] = value
        made.save(file)
    return file.getvalue()


def hostile() -> Iterator[tuple[str, str, bytes]]:
    """The task, the name and the content of each file; made one by one, for some are large."""
    yield from _sheets()
    yield from _pictures()
    yield from _documents()


# --- Sheets --------------------------------------------------------------------------------------


def _sheets() -> Iterator[tuple[str, str, bytes]]:
    for name, content in _workbooks():
        yield "sheet", name, content
    whole = package(GOOD)
    for place in range(10, len(whole), len(whole) // 12):
        yield "sheet", f"cut at {place}.xlsx", whole[:place]
        yield "sheet", f"changed at {place}.xlsx", whole[:place] + b"\xff" + whole[place + 1 :]
    yield from _old_workbooks()
    for name, text in (("quotes", '"' * 3 * MEGABYTE), ("line", "a" * 3 * MEGABYTE), ("commas", "," * 3 * MEGABYTE),
                       ("rows", "1\n" * MEGABYTE), ("cells", ("1," * 199 + "1\n") * 9000)):  # fmt: skip
        yield "sheet", f"{name}.csv", text.encode()
    yield "sheet", "zeros.csv", b"\xff\xfe" + bytes(5 * MEGABYTE)


def _workbooks() -> Iterator[tuple[str, bytes]]:
    for code in ("[" * 1_000_000, "[" * 255, "&quot;" * 100_000, "_" * 200_000, "\\" * 255, "yyyy" * 60):
        yield "format.xlsx", _styled(code)
    for text in ("<!-- <?xml <?xml " * 20_000 + "-->", "<?xml " * 60_000, " " * 1_000_000, "<a>" * 100_000):
        yield "declaration.xlsx", package(text + GOOD)
    entity = "".join(
        f'<!ENTITY {name} "{f"&{below};" * 10}">' for name, below in zip("bcdefghi", "abcdefgh", strict=True)
    )
    yield "laughs.xlsx", package(f'<!DOCTYPE x [<!ENTITY a "ha">{entity}]>{GOOD}')
    cell, row = '<c r="A{0}"><v>{0}</v></c>', '<row r="{0}">{1}</row>'
    for rows in (1_000, 400_000, 1_048_576):
        lines = "".join(row.format(number, cell.format(number)) for number in range(2, rows))
        yield f"{rows} rows.xlsx", package(_sheet(HEAD + lines))
    yield "wide.xlsx", package(_sheet('<row r="1">' + "<c><v>1</v></c>" * 16_384 + "</row>"))
    long = "".join(row.format(number, f'<c r="A{number}" t="s"><v>0</v></c>' * 1) for number in range(1, 900))
    for text in ("甲" * 32_000, "a" * 32_000, "a" * 40_000_000):
        yield "echo.xlsx", package(_sheet(long), strings=f'<sst xmlns="{MAIN}"><si><t>{text}</t></si></sst>')
    for piece in ("<si><t>a</t></si>", "<si/>", f"<si><t>{'甲' * 20_000}</t></si>", "<si><r><t>b</t></r></si>"):
        texts = piece * (120 * MEGABYTE // len(piece.encode()))
        yield "strings.xlsx", package(GOOD, strings=f'<sst xmlns="{MAIN}">{texts}</sst>')
    yield "names.xlsx", package(_sheet("".join(f"<n{number}/>" for number in range(200_000))))
    yield "attributes.xlsx", package(_sheet("<row " + " ".join(f'a{n}="1"' for n in range(60_000)) + "/>"))
    yield "empty rows.xlsx", package(_sheet(HEAD + '<row s="1" customFormat="1"/>' * 1_500_000))
    yield "merged.xlsx", package(_sheet(HEAD, "<mergeCells>" + '<mergeCell ref="A1:B2"/>' * 300_000 + "</mergeCells>"))
    yield "parts.xlsx", _many_parts()
    yield "lies.xlsx", _lying_about_its_size()


def _old_workbooks() -> Iterator[tuple[str, str, bytes]]:
    whole = workbook(number(0, 0) + number(1, 0))
    for place in range(10, len(whole), len(whole) // 12):
        yield "sheet", f"cut at {place}.xls", whole[:place]
        yield "sheet", f"changed at {place}.xls", whole[:place] + b"\xff" + whole[place + 1 :]
    cells = b"".join(number(row, column) for row in range(900) for column in range(200))
    for name, records in (("cells", cells), ("styles", record(0xE0, b"\0" * 20) * 100_000),
                        ("rows", record(0x0208, b"\0" * 16) * 200_000), ("parts", record(0x0809) * 500_000),
                        ("merged", record(0x00E5, struct.pack("<H", 1000) + b"\0" * 8000) * 500)):  # fmt: skip
        yield "sheet", f"{name}.xls", workbook(records)
    texts = record(0xFC, struct.pack("<II", 0, 1_400_000) + b"\0" * 8000) + record(0x3C, b"\0" * 8000) * 500
    yield "sheet", "texts.xls", workbook(number(0, 0), texts)
    yield "sheet", "formats.xls", workbook(number(0, 0), record(0x041E, b"\xa4\0\xff\0\0" + b"[" * 255) * 20_000)


def _sheet(rows: str, after: str = "") -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{after}</worksheet>'


def _styled(code: str) -> bytes:
    styles = (
        f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="164" formatCode="{code}"/></numFmts><cellXfs>'
        + '<xf numFmtId="164"/>' * 130
        + "</cellXfs></styleSheet>"
    )
    relations = (
        f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/worksheet"'
        f' Target="/xl/worksheets/sheet1.xml"/><Relationship Id="r3" Type="{OFFICE}/styles" Target="styles.xml"/>'
        "</Relationships>"
    )
    return package(GOOD, **{"xl/styles.xml": styles, "xl/_rels/workbook.xml.rels": relations})


def _many_parts() -> bytes:
    file = io.BytesIO(package(GOOD))
    with zipfile.ZipFile(file, "a") as archive:
        for number in range(6_000):
            archive.writestr(f"part{number}", b"")
    return file.getvalue()


def _lying_about_its_size() -> bytes:
    """A part of 300 MB that is said to have a few bytes."""
    whole = package("<a>" + " " * 300 * MEGABYTE)
    return whole.replace(struct.pack("<I", 300 * MEGABYTE + 3), struct.pack("<I", 100))


# --- Pictures ------------------------------------------------------------------------------------


def _pictures() -> Iterator[tuple[str, str, bytes]]:
    sides = [(6000, 4000), (24_000, 1_000), (4_899, 4_899), (7740, 7740), (65_500, 366), (30_000, 30_000)]
    for size in sides:
        for mode in ("1", "L", "P", "RGB", "RGBA", "I;16"):
            if mode in ("1", "P"):
                yield "photo", f"{mode} {size}.png", _black(*size, bits=1 if mode == "1" else 8)
            elif size[0] * size[1] < 25_000_000:
                yield "photo", f"{mode} {size}.png", image("PNG", size, mode, compress_level=1)
    for mode in ("L", "RGB", "CMYK"):
        for how in ({}, {"progressive": True, "subsampling": 0}):
            yield "photo", f"{mode}.jpg", image("JPEG", (6000, 4000), mode, **how)
            yield "scan", f"{mode}.jpg", image("JPEG", (6000, 4000), mode, **how)
    layered = image("JPEG", (6000, 4000), progressive=True)
    last = layered.rindex(b"\xff\xda")
    yield "photo", "layers.jpg", layered[:last] + layered[last:-2] * 90 + layered[-2:]
    yield "photo", "huge.jpg", image("JPEG", (9000, 6500))
    for size in ((4000, 3000), (6000, 4000), (7700, 7700)):
        yield "photo", "large.webp", image("WEBP", size, lossless=True, method=0)
    yield "photo", "two.webp", image("WEBP", (3900, 3000), "RGBA", save_all=True,
                                     append_images=[Image.new("RGBA", (3900, 3000), "red")])  # fmt: skip
    for mode in ("RGB", "RGBA"):
        yield "scan", f"scan {mode}.png", image("PNG", (6000, 4000), mode, compress_level=1)
        yield "seal", f"seal {mode}.png", image("PNG", (6000, 4000), mode, compress_level=1)
    yield "photo", "text.png", _with_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200 * MEGABYTE)))
    yield "photo", "profile.png", _with_chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(200 * MEGABYTE)))
    yield "photo", "broken.png", image("PNG", (3000, 3000))[:200]


def _black(width: int, height: int, bits: int) -> bytes:
    """A PNG of one bit, or of eight with a palette, made without having it in memory."""
    line, packer = bytes(1 + (width * bits + 7) // 8), zlib.compressobj(1)
    rows = b"".join(packer.compress(line) for _row in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, 0 if bits == 1 else 3, 0, 0, 0)
    palette = _chunk(b"PLTE", bytes(3)) if bits == 8 else b""
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + palette + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _with_chunk(name: bytes, content: bytes) -> bytes:
    plain = image("PNG")
    return plain[:33] + _chunk(name, content) + plain[33:]


# --- Documents -----------------------------------------------------------------------------------


def _documents() -> Iterator[tuple[str, str, bytes]]:
    yield "scan", "pages.pdf", pdf(201)
    yield "scan", "cut.pdf", pdf(3)[:300]
    yield "scan", "objects.pdf", b"%PDF-1.7\n" + b"".join(b"%d 0 obj <<>> endobj\n" % n for n in range(1, 150_000))
    yield "scan", "nested.pdf", b"%PDF-1.7\n1 0 obj " + b"[" * 500_000 + b" endobj trailer <</Root 1 0 R>>"
    stream = zlib.compress(bytes(400 * MEGABYTE))
    for kind in (b"ObjStm /N 1 /First 4", b"XRef /Size 3 /W [1 2 1] /Root 1 0 R", b"X"):
        yield (
            "scan",
            "bomb.pdf",
            (
                b"%%PDF-1.7\n1 0 obj <</Type /%s /Filter /FlateDecode /Length %d>> stream\n%s\nendstream endobj\n"
                b"startxref\n9\n%%%%EOF" % (kind, len(stream), stream)
            ),
        )
