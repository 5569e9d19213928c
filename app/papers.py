"""What is printed: 检定证书, 检定结果通知书 and 监督检查报告 on A4, set by reportlab. Knows no tables and no web.

The same paper gives the same bytes, so that a certificate can be made anew and compared. Texts of any length stay
inside their place: they wrap, and where there is no room for more lines they shrink. Papers are legal documents and
therefore always Chinese.
"""

import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import segno
from PIL import Image
from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Spacer, Table

VERIFICATION = "verification"
REJECTION = "rejection"
FONT_FILE = Path(__file__).parent / "data" / "fonts" / "NotoSansSC-Regular.ttf"

_FONT = "NotoSansSC"
_INK, _RULE, _PALE = HexColor("#1a1a1a"), HexColor("#24466e"), HexColor("#eef2f7")
_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT = 60.0, _WIDTH - 60
_TOP, _BOTTOM = _HEIGHT - 84, 84.0
_LEADING = 1.5
_MOST_LINES = 36  # of a row of a table; a page has room for 50
_SEAL_SIZE, _SEAL_PIXELS = 119, 500  # 42 mm, as round seals of institutions are
_PHOTO_PIXELS = 900
_LACKING = "〓"  # what printers set where a character is not in the case
_NOTHING = "——"
_RUN = re.compile(b"\x01+")
# A word of letters and digits stays whole; no line begins with a closing mark or ends with an opening one.
_PIECES = re.compile(r"[（《“〔【]*(?:[!-~±≤≥×℃%]+|.)[，。、；：！？）》”〕】]*\s*")
_INVISIBLE = {"Cf", "Cc"}
# A font of reportlab serves one document at a time.
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class StandardUsed:
    """A measurement standard (计量标准) the verification was made with."""

    name: str
    measuring_range: str
    uncertainty: str
    certificate_no: str
    valid_until: date


@dataclass(frozen=True)
class CertificatePaper:
    """All that stands on a certificate. `indications`: 检定项目, 技术要求, 检定结果."""

    kind: str
    no: str
    code: str
    check_url: str
    institution: str
    authorization_no: str
    institution_address: str
    institution_phone: str
    using_unit: str
    instrument: str
    model: str
    serial_no: str
    manufacturer: str
    measuring_range: str
    accuracy_class: str
    regulation: str
    verification_kind: str
    verified_on: date
    valid_until: date | None
    standards: tuple[StandardUsed, ...]
    temperature: str
    humidity: str
    place: str
    indications: tuple[tuple[str, str, str], ...]
    failures: str
    verifier: str
    checker: str
    approver: str
    issued_on: date
    replaces: str | None
    seal: bytes | None

    @property
    def passed(self) -> bool:
        return self.kind == VERIFICATION

    @property
    def title(self) -> str:
        return "检定证书" if self.passed else "检定结果通知书"

    @property
    def short_title(self) -> str:
        return "证书" if self.passed else "通知书"

    @property
    def conclusion(self) -> str:
        if not self.passed:
            return "不合格"
        again = "继续" if self.verification_kind == "使用中检查" else ""
        if self.accuracy_class.endswith(("级", "等")):
            return f"合格，准予作 {self.accuracy_class} 计量器具{again}使用"
        return f"合格，准予{again}使用"

    @property
    def validity(self) -> str:
        if self.valid_until:
            return _day(self.valid_until)
        if self.verification_kind == "使用中检查":
            return "以原检定证书所载为准"
        return f"{self.verification_kind}合格，失准报废"


def certificate(paper: CertificatePaper) -> bytes:
    """A PDF: the cover, then the standards, the conditions and the results on as many pages as they need."""
    _face()
    lacking: dict[str, None] = {}
    printed = _printable(paper, lacking)
    file = io.BytesIO()
    with _ONE_AT_A_TIME:
        canvas = Canvas(file, pagesize=A4, invariant=1, pageCompression=1, lang="zh-CN")
        _describe(canvas, paper)
        pages = _pages(_story(printed, "、".join(lacking)))
        _cover(canvas, printed, paper.check_url, total=len(pages) + 1)
        for number, page in enumerate(pages, start=2):
            _inner_page(canvas, _running_head(printed), page, number, total=len(pages) + 1)
        canvas.save()
    return file.getvalue()


def _describe(canvas: Canvas, paper: CertificatePaper) -> None:
    canvas.setTitle(f"{paper.title} {paper.no}")
    canvas.setAuthor(paper.institution)
    canvas.setSubject(f"{paper.instrument} {paper.model} {paper.serial_no}")
    canvas.setCreator(paper.institution)
    canvas.setViewerPreference("DisplayDocTitle", "true")
    # The day of issue, not the moment of making: the bytes must not depend on when they are made.
    canvas.setDateFormatter(lambda *_moment: f"D:{paper.issued_on:%Y%m%d}000000+08'00'")


# Characters


@cache
def _face() -> Any:
    """The font, read once in the life of a process (30 ms); each document then gets only the characters it shows."""
    rl_config.useA85 = 0  # type: ignore[attr-defined]  # streams as bytes, a fifth smaller than as text
    font = TTFont(_FONT, str(FONT_FILE))
    pdfmetrics.registerFont(font)
    return font.face


def _printable(value: Any, lacking: dict[str, None]) -> Any:
    """The same with 〓 for each character the font lacks, which is noted in `lacking`."""
    if isinstance(value, str):
        return "".join(_printable_character(character, lacking) for character in value)
    if isinstance(value, tuple):
        return tuple(_printable(one, lacking) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{field.name: _printable(getattr(value, field.name), lacking) for field in fields(value)}
        )
    return value


def _printable_character(character: str, lacking: dict[str, None]) -> str:
    if character == "\n" or ord(character) in _face().charToGlyph:
        return character
    if character.isspace():
        return " "
    if unicodedata.category(character) in _INVISIBLE or "VARIATION SELECTOR" in unicodedata.name(character, ""):
        return ""
    lacking[f"U+{ord(character):04X}"] = None
    return _LACKING


def _width(text: str, size: float) -> float:
    return pdfmetrics.stringWidth(text, _FONT, size)


def _wrapped(text: str, width: float, size: float) -> list[str]:
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for piece in _pieces(paragraph, width, size):
            if line and _width(line + piece.rstrip(), size) > width:
                lines.append(line.rstrip())
                line = ""
            line += piece
        lines.append(line.rstrip())
    return lines


def _pieces(text: str, width: float, size: float) -> Iterator[str]:
    for piece in _PIECES.findall(text):
        yield from [piece] if _width(piece.rstrip(), size) <= width else piece


def _fitted(text: str, width: float, height: float, size: float) -> tuple[list[str], float]:
    """The lines of a text, and the largest size up to the one given at which they fit into the place."""
    lines = _wrapped(text or _NOTHING, width, size)
    while len(lines) * size * _LEADING > height:
        size *= 0.95
        lines = _wrapped(text or _NOTHING, width, size)
    return lines, size


def _day(day: date) -> str:
    return f"{day.year} 年 {day.month:02d} 月 {day.day:02d} 日"


# Drawing


def _write(canvas: Canvas, text: str, x: float, y: float, size: float, *, align: float = 0, heavy: float = 0) -> None:
    """One line; `align` 0 begins, 0.5 centres, 1 ends at x. `heavy` thickens the strokes, for there is no bold font."""
    canvas.saveState()
    line = canvas.beginText(x - align * _width(text, size), y)
    line.setFont(_FONT, size)
    line.setTextRenderMode(2 if heavy else 0)
    canvas.setFillColor(_INK)
    canvas.setStrokeColor(_INK)
    canvas.setLineWidth(heavy)
    line.textOut(text)
    canvas.drawText(line)
    canvas.restoreState()


def _block(
    canvas: Canvas,
    text: str,
    box: tuple[float, float, float, float],
    size: float,
    *,
    align: float = 0,
    heavy: float = 0,
) -> None:
    """A text in the middle of a box (left, bottom, width, height)."""
    left, bottom, width, height = box
    lines, size = _fitted(text, width, height, size)
    leading = size * _LEADING
    # The middle of a Chinese character lies 0.38 of its size above the base line.
    base = bottom + (height + (len(lines) - 1) * leading) / 2 - size * 0.38
    for number, line in enumerate(lines):
        _write(canvas, line, left + align * width, base - number * leading, size, align=align, heavy=heavy)


def _spread(canvas: Canvas, text: str, x: float, y: float, width: float, size: float) -> None:
    """A label with its characters spread over the width, as forms have it."""
    step = (width - _width(text, size)) / max(len(text) - 1, 1)
    for character in text:
        _write(canvas, character, x, y, size)
        x += _width(character, size) + step


def _line(canvas: Canvas, left: float, y: float, right: float, weight: float = 0.5) -> None:
    canvas.setStrokeColor(_RULE)
    canvas.setLineWidth(weight)
    canvas.line(left, y, right, y)


def _page_number(canvas: Canvas, number: int, total: int) -> None:
    _write(canvas, f"第 {number} 页 共 {total} 页", _WIDTH / 2, 50, 9, align=0.5)


# The cover


def _cover(canvas: Canvas, paper: CertificatePaper, url: str, total: int) -> None:
    _frame(canvas)
    _block(canvas, paper.institution, (_LEFT, 716, _RIGHT - _LEFT, 60), 23, align=0.5, heavy=0.5)
    _title(canvas, paper.title)
    _block(canvas, f"{paper.short_title}编号：{paper.no}", (_LEFT, 616, _RIGHT - _LEFT, 22), 13, align=0.5)
    if paper.replaces:
        note = f"（替换编号为 {paper.replaces} 的{paper.short_title}，原{paper.short_title}作废）"
        _block(canvas, note, (_LEFT, 598, _RIGHT - _LEFT, 16), 9.5, align=0.5)
    _particulars(canvas, paper)
    if not paper.passed:
        _prohibition(canvas)
    _issuer(canvas, paper)
    _people_and_days(canvas, paper)
    _foot(canvas, paper, url)
    _page_number(canvas, 1, total)
    canvas.showPage()


def _frame(canvas: Canvas) -> None:
    canvas.setStrokeColor(_RULE)
    for inset, weight in ((30, 2.2), (35, 0.6)):
        canvas.setLineWidth(weight)
        canvas.rect(inset, inset, _WIDTH - 2 * inset, _HEIGHT - 2 * inset)


def _title(canvas: Canvas, title: str) -> None:
    size, width = (46, 280) if len(title) == 4 else (40, 370)
    step = (width - size) / (len(title) - 1)
    for number, character in enumerate(title):
        _write(canvas, character, (_WIDTH - width) / 2 + number * step, 655, size, heavy=1.1)


def _particulars(canvas: Canvas, paper: CertificatePaper) -> None:
    rows = (
        ("送检单位", paper.using_unit),
        ("计量器具名称", paper.instrument),
        ("型号/规格", paper.model),
        ("出厂编号", paper.serial_no),
        ("制造单位", paper.manufacturer),
        ("检定依据", paper.regulation),
        ("检定结论", paper.conclusion),
    )
    top, bottom, left, label = 588.0, 344.0 if paper.passed else 378.0, 178.0, 80.0
    set_rows, size = _fitted_rows([value for _label, value in rows], _RIGHT - 16 - left, top - bottom)
    gap = (top - bottom - sum(len(lines) for lines in set_rows) * size * 1.3) / len(rows)
    y = top
    for (name, _value), lines in zip(rows, set_rows, strict=True):
        y -= gap
        heavy = 0.35 if name == "检定结论" else 0
        _spread(canvas, name, 84, y - size, label, 12)
        for line in lines:
            _write(canvas, line, left + 4, y - size, size, heavy=heavy)
            y -= size * 1.3
        _line(canvas, left, y - 1, _RIGHT - 16, 0.4)


def _fitted_rows(texts: list[str], width: float, height: float) -> tuple[list[list[str]], float]:
    """All texts in one size, the largest at which they stand below each other with air between them."""
    size = 12.5
    while True:
        rows = [_wrapped(text or _NOTHING, width - 8, size) for text in texts]
        lines = sum(len(row) for row in rows)
        if (lines * 1.3 + len(rows) * 0.45) * size <= height:
            return rows, size
        size *= 0.95


def _prohibition(canvas: Canvas) -> None:
    box = (84, 334, _RIGHT - 100, 34)
    canvas.setStrokeColor(_INK)
    canvas.setLineWidth(1)
    canvas.rect(*box)
    _block(
        canvas, "根据《中华人民共和国计量法》第九条，该计量器具检定不合格，不得使用。", box, 12, align=0.5, heavy=0.35
    )


def _issuer(canvas: Canvas, paper: CertificatePaper) -> None:
    """The institution and the day, with the seal over them (骑年盖月)."""
    left, width = 84.0, 190.0
    _block(canvas, paper.institution, (left, 282, width, 40), 12, align=0.5)
    _block(canvas, f"签发日期：{_day(paper.issued_on)}", (left, 204, width, 18), 11, align=0.5)
    if paper.seal:
        x, y = left + (width - _SEAL_SIZE) / 2, 178
        canvas.drawImage(_seal(paper.seal), x, y, _SEAL_SIZE, _SEAL_SIZE, mask="auto", preserveAspectRatio=True)
    else:
        _block(canvas, "（检定专用章）", (left, 230, width, 18), 11, align=0.5)


def _seal(png: bytes) -> ImageReader:
    """Not finer than paper shows: a photographed seal would make each certificate megabytes."""
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    image.thumbnail((_SEAL_PIXELS, _SEAL_PIXELS))
    return ImageReader(image)


def _people_and_days(canvas: Canvas, paper: CertificatePaper) -> None:
    rows = [
        ("批准人", paper.approver),
        ("核验员", paper.checker),
        ("检定员", paper.verifier),
        ("检定日期", _day(paper.verified_on)),
    ]
    if paper.passed:
        rows.append(("有效期至" if paper.valid_until else "有效期", paper.validity))
    y = 300.0
    for name, value in rows:
        _spread(canvas, name, 308, y, 50, 12)
        _block(canvas, value, (368, y - 5.4, _RIGHT - 16 - 368, 20), 12, align=0.5)
        _line(canvas, 368, y - 5, _RIGHT - 16, 0.4)
        y -= 27


def _foot(canvas: Canvas, paper: CertificatePaper, url: str) -> None:
    _line(canvas, 84, 170, _RIGHT - 16, 0.8)
    lines = (
        ("计量授权证书号", paper.authorization_no),
        ("地址", paper.institution_address),
        ("电话", paper.institution_phone),
    )
    y = 133.0
    for name, value in lines:
        _block(canvas, f"{name}：{value or _NOTHING}", (84, y, 300, 24), 10)
        y -= 25
    size = 66.0
    centre = _RIGHT - 16 - 56
    _qr(canvas, url, centre - size / 2, 93, size)
    _block(canvas, "扫码验真", (centre - 60, 78, 120, 13), 8.5, align=0.5)
    _block(canvas, f"验证码 {paper.code}", (centre - 60, 66, 120, 13), 8.5, align=0.5)


def _qr(canvas: Canvas, text: str, x: float, y: float, size: float) -> None:
    rows = list(segno.make(text, error="m").matrix)
    module = size / len(rows)
    squares = canvas.beginPath()
    for number, row in enumerate(rows, start=1):
        for run in _RUN.finditer(bytes(row)):
            squares.rect(x + run.start() * module, y + size - number * module, len(run[0]) * module, module)
    canvas.setFillColor(_INK)
    canvas.drawPath(squares, stroke=0, fill=1)


# The inner pages


def _story(paper: CertificatePaper, lacking: str) -> list[Flowable]:
    story = [
        *_section("一、检定机构授权说明", _authorization(paper)),
        *_section("二、被检计量器具", _instrument(paper)),
        *_section("三、检定所使用的计量标准器具", _standards(paper)),
        *_section("四、检定环境条件及地点", _conditions(paper)),
        *_results(paper),
        *_section("六、说明", *(_Passage(f"{n}. {text}", 9.5) for n, text in enumerate(_remarks(paper), start=1))),
    ]
    if lacking:
        story.append(_Passage(f"注：文中“{_LACKING}”代替字库所缺的字，其编码依次为 {lacking}。", 9.5))
    return story


def _section(heading: str, *content: Flowable) -> list[Flowable]:
    return [_Heading(heading, 11.5, heavy=0.3), Spacer(0, 2), *content, Spacer(0, 9)]


def _authorization(paper: CertificatePaper) -> Flowable:
    text = (
        f"{paper.institution}依法设置或者经人民政府计量行政部门授权，执行强制检定和法律规定的其他检定、测试任务。"
        f"计量授权证书号：{paper.authorization_no or _NOTHING}。"
    )
    return _Passage(text, 10)


def _instrument(paper: CertificatePaper) -> Flowable:
    headings = ("测量范围", "准确度等级", "检定类别", "检定依据")
    row = (paper.measuring_range, paper.accuracy_class, paper.verification_kind, paper.regulation)
    return _grid((125, 95, 75, 180), headings, (row,))


def _standards(paper: CertificatePaper) -> Flowable:
    headings = ("名称", "测量范围", "不确定度/准确度等级/\n最大允许误差", "证书编号", "有效期至")
    rows = (
        (used.name, used.measuring_range, used.uncertainty, used.certificate_no, used.valid_until.isoformat())
        for used in paper.standards
    )
    return _grid((125, 90, 110, 90, 60), headings, tuple(rows))


def _conditions(paper: CertificatePaper) -> Flowable:
    row = (paper.temperature, paper.humidity, paper.place)
    return _grid((95, 95, 285), ("温度", "相对湿度", "检定地点"), (row,))


def _results(paper: CertificatePaper) -> list[Flowable]:
    table = _grid(
        (35, 150, 145, 145),
        ("序号", "检定项目", "技术要求", "检定结果"),
        tuple((str(number), *row) for number, row in enumerate(paper.indications, start=1)),
    )
    if not paper.passed:
        failed = _Passage(f"不合格项：{paper.failures or _NOTHING}", 10.5, heavy=0.25)
        must_not = _Passage("检定结论：不合格。该计量器具不得使用。", 10.5, heavy=0.25)
        tables = [table, Spacer(0, 4)] if paper.indications else []
        return _section("五、检定结果及不合格项", *tables, failed, must_not)
    conclusion = _Passage(f"检定结论：{paper.conclusion}。", 10.5, heavy=0.25)
    found = table if paper.indications else _Passage(f"各检定项目均符合 {paper.regulation} 的要求。", 10)
    return _section("五、检定结果", found, Spacer(0, 4), conclusion)


def _remarks(paper: CertificatePaper) -> Iterator[str]:
    this = f"本{paper.short_title}"
    if paper.passed:
        yield "检定结果仅对被检计量器具有效。"
        if paper.valid_until:
            yield "有效期届满前应当申请下一次检定；未按照规定申请检定的，不得使用。"
        yield "在有效期内经修理、拆封、更换重要部件，或者对其计量性能有怀疑的，应当重新申请检定。"
    else:
        yield (
            "根据《中华人民共和国计量法》第九条，检定不合格的计量器具不得使用。使用单位应当立即停止使用；"
            "经修理的，重新检定合格后方可使用。"
        )
        yield "检定结果仅对被检计量器具有效。"
    if paper.replaces:
        yield f"{this}替换编号为 {paper.replaces} 的{paper.short_title}，原{paper.short_title}自{this}签发之日起作废。"
    yield f"{this}未经本检定机构书面批准，不得部分复印。"
    yield f"{this}涂改、未加盖检定专用章或者未经电子签名的无效；可以扫描首页二维码，或者凭验证码 {paper.code} 查验。"
    yield "对检定结果有异议的，请向本检定机构提出。"


def _grid(widths: tuple[float, ...], headings: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Flowable:
    """A table whose headings stand again on each page it reaches."""
    size, padding = 9.0, 4.0
    rows = rows or (("",) * len(headings),)
    cells: list[list[str]] = []
    for row in (headings, *rows):
        columns = zip(row, widths, strict=True)
        cells.extend(_cut([_wrapped(text or _NOTHING, width - 2 * padding, size) for text, width in columns]))
    style = [
        ("FONT", (0, 0), (-1, -1), _FONT, size, size * 1.4),
        ("TEXTCOLOR", (0, 0), (-1, -1), _INK),
        ("ALIGN", (0, 0), (-1, -1), "CENTER"),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("BACKGROUND", (0, 0), (-1, 0), _PALE),
        ("GRID", (0, 0), (-1, -1), 0.5, _RULE),
        ("LEFTPADDING", (0, 0), (-1, -1), padding),
        ("RIGHTPADDING", (0, 0), (-1, -1), padding),
        ("TOPPADDING", (0, 0), (-1, -1), 4),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
    ]
    return Table(cells, widths, style=style, repeatRows=1)


def _cut(row: list[list[str]]) -> Iterator[list[str]]:
    """A row too high for a page as several: reportlab's own splitInRow never ends on some."""
    for start in range(0, max(len(lines) for lines in row), _MOST_LINES):
        yield ["\n".join(lines[start : start + _MOST_LINES]) for lines in row]


class _Passage(Flowable):
    """Lines of text that go on on the next page."""

    def __init__(self, text: str, size: float, heavy: float = 0) -> None:
        super().__init__()
        self.text, self.size, self.heavy = text, size, heavy

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:
        self.lines = _wrapped(self.text, aW, self.size)
        return aW, len(self.lines) * self.size * 1.7

    def split(self, aW: float, aH: float) -> list[Flowable]:
        room = int(aH // (self.size * 1.7))
        parts = self.lines[:room], self.lines[room:]
        return [type(self)("\n".join(part), self.size, self.heavy) for part in parts] if all(parts) else []

    def draw(self) -> None:
        leading = self.size * 1.7
        for number, line in enumerate(reversed(self.lines)):
            _write(self.canv, line, 0, number * leading + self.size * 0.45, self.size, heavy=self.heavy)


class _Heading(_Passage):
    """Wants some of what follows on its page."""

    company = 70


def _pages(story: list[Flowable]) -> list[list[Flowable]]:
    """The story cut into pages, before any is drawn: each page tells how many there are."""
    waiting = story[::-1]
    pages: list[list[Flowable]] = [[]]
    room = _TOP - _BOTTOM
    while waiting:
        flowable = waiting.pop()
        height = flowable.wrap(_RIGHT - _LEFT, room)[1]
        if height + getattr(flowable, "company", 0) <= room:
            pages[-1].append(flowable)
            room -= height
        elif parts := flowable.split(_RIGHT - _LEFT, room):
            waiting.extend(parts[::-1])
        elif pages[-1]:
            waiting.append(flowable)
            pages.append([])
            room = _TOP - _BOTTOM
        else:
            raise ValueError("a piece of the certificate is higher than a page")
    return pages


def _running_head(paper: CertificatePaper) -> tuple[str, str]:
    return f"{paper.institution} {paper.title}", f"{paper.short_title}编号：{paper.no}"


def _inner_page(canvas: Canvas, head: tuple[str, str], page: list[Flowable], number: int, total: int) -> None:
    middle = (_LEFT + _RIGHT) / 2
    _block(canvas, head[0], (_LEFT, _TOP + 14, middle - _LEFT, 24), 9)
    _block(canvas, head[1], (middle + 20, _TOP + 14, _RIGHT - middle - 20, 24), 9, align=1)
    _line(canvas, _LEFT, _TOP + 10, _RIGHT, 0.8)
    y = _TOP
    for flowable in page:
        height = flowable.wrapOn(canvas, _RIGHT - _LEFT, y - _BOTTOM)[1]
        y -= height
        flowable.drawOn(canvas, _LEFT, y)
    if number == total and y - 20 > _BOTTOM:
        _write(canvas, "（以下空白）", _WIDTH / 2, y - 14, 9.5, align=0.5)
    _line(canvas, _LEFT, 68, _RIGHT, 0.8)
    _page_number(canvas, number, total)
    canvas.showPage()


# 监督检查报告


@dataclass(frozen=True)
class InspectionPaper:
    """All that stands on the report of an inspection. `checklist`: 检查项目, 检查结果, 说明; photos are JPEG."""

    no: str
    authority: str
    task: str
    kind: str
    drawn: bool
    party: str
    target: str
    place: str
    inspected_on: date | None
    inspectors: tuple[str, ...]
    accompanied_by: str
    checklist: tuple[tuple[str, str, str], ...]
    findings: str
    photos: tuple[bytes, ...]
    conclusion: str
    issues: str
    due_on: date | None
    concluded_on: date | None
    statement: str
    recheck: str
    rechecked_on: date | None
    closed: bool


def inspection(paper: InspectionPaper) -> bytes:
    """A PDF: what was inspected, what was found of each item, the conclusion, and what became of it."""
    _face()
    lacking: dict[str, None] = {}
    printed = _printable(paper, lacking)
    file = io.BytesIO()
    with _ONE_AT_A_TIME:
        canvas = Canvas(file, pagesize=A4, invariant=1, pageCompression=1, lang="zh-CN")
        canvas.setTitle(f"监督检查报告 {paper.no}")
        canvas.setAuthor(paper.authority)
        canvas.setSubject(f"{paper.task} {paper.party}")
        pages = _pages(_inspection_story(printed, "、".join(lacking)))
        head = f"{printed.authority} 监督检查报告", f"检查编号：{printed.no}"
        for number, page in enumerate(pages, start=1):
            _inner_page(canvas, head, page, number, total=len(pages))
        canvas.save()
    return file.getvalue()


def _inspection_story(paper: InspectionPaper, lacking: str) -> list[Flowable]:
    story: list[Flowable] = [
        _Title("监督检查报告", 24, heavy=0.5),
        Spacer(0, 10),
        *_section("一、检查概况", _inspection_facts(paper)),
        *_section("二、检查内容及结果", *_inspection_items(paper)),
        *_section("三、检查结论", *_inspection_conclusion(paper)),
    ]
    if paper.statement or paper.recheck:
        story += _section("四、整改及复查", *_inspection_rectification(paper))
    story.append(_Signatures(paper.concluded_on))
    if paper.photos:
        pairs = [paper.photos[number : number + 2] for number in range(0, len(paper.photos), 2)]
        rows = [_Photos(pair, first) for first, pair in zip(range(1, len(paper.photos) + 1, 2), pairs, strict=True)]
        story += [_Heading("附：现场照片", 11.5, heavy=0.3), Spacer(0, 6), *rows]
    if lacking:
        story.append(_Passage(f"注：文中“{_LACKING}”代替字库所缺的字，其编码依次为 {lacking}。", 9.5))
    return story


def _inspection_facts(paper: InspectionPaper) -> Flowable:
    rows = (
        ("检查任务", paper.task),
        ("检查方式", "随机抽查（随机抽取检查对象、随机选派检查人员）" if paper.drawn else "专项检查"),
        ("检查部门", paper.authority),
        ("被检查单位", paper.party),
        ("检查对象", f"{paper.kind}：{paper.target}"),
        ("所在地区", paper.place),
        ("检查日期", _day(paper.inspected_on) if paper.inspected_on else ""),
        ("检查人员", "、".join(paper.inspectors)),
        ("被检查单位陪同人员", paper.accompanied_by),
    )
    return _grid((115, 360), ("项目", "内容"), rows)


def _inspection_items(paper: InspectionPaper) -> list[Flowable]:
    rows = tuple((str(number), *row) for number, row in enumerate(paper.checklist, start=1))
    photos = f"现场照片 {len(paper.photos)} 张，附后。" if paper.photos else "未拍摄现场照片。"
    return [
        _grid((35, 235, 65, 140), ("序号", "检查项目", "检查结果", "说明"), rows),
        Spacer(0, 4),
        _Passage(f"其他检查情况：{paper.findings or '无'}", 10),
        _Passage(photos, 10),
    ]


def _inspection_conclusion(paper: InspectionPaper) -> list[Flowable]:
    if not paper.conclusion:
        return [_Passage("尚未作出结论。", 10.5)]
    story: list[Flowable] = [_Passage(f"检查结论：{paper.conclusion}。", 10.5, heavy=0.25)]
    if paper.issues:
        story.append(_Passage(f"问题描述：{paper.issues}", 10))
    if paper.due_on:
        story.append(_Passage(f"整改期限：{_day(paper.due_on)}前完成整改，并向检查部门反馈。", 10))
    return story


def _inspection_rectification(paper: InspectionPaper) -> list[Flowable]:
    story: list[Flowable] = [_Passage(f"整改情况：{paper.statement or '被检查单位未反馈。'}", 10)]
    if paper.recheck:
        day = f"（{_day(paper.rechecked_on)}）" if paper.rechecked_on else ""
        story.append(_Passage(f"复查结果{day}：{paper.recheck}", 10))
    story.append(_Passage("复查通过，本次检查办结。" if paper.closed else "整改尚未完成。", 10))
    return story


class _Title(_Passage):
    """One line in the middle."""

    def draw(self) -> None:
        _write(self.canv, self.text, (_RIGHT - _LEFT) / 2, self.size * 0.45, self.size, align=0.5, heavy=self.heavy)


class _Photos(Flowable):
    """One or two photos beside each other, numbered."""

    width, height, gap = 230.0, 172.0, 15.0

    def __init__(self, photos: tuple[bytes, ...], first: int) -> None:
        super().__init__()
        self.photos, self.first = photos, first

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:
        return aW, self.height + 26

    def draw(self) -> None:
        for place, photo in enumerate(self.photos):
            x = place * (self.width + self.gap)
            box = (self.width, self.height)
            self.canv.drawImage(_small(photo), x, 20, *box, preserveAspectRatio=True, anchor="c")
            _write(self.canv, f"照片 {self.first + place}", x + self.width / 2, 7, 9, align=0.5)


def _small(photo: bytes) -> ImageReader:
    """Not finer than paper shows."""
    image = Image.open(io.BytesIO(photo))
    image.thumbnail((_PHOTO_PIXELS, _PHOTO_PIXELS))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    file.seek(0)
    return ImageReader(file)


class _Signatures(Flowable):
    """Where the inspectors and the party sign, and the office puts its seal."""

    def __init__(self, day: date | None) -> None:
        super().__init__()
        self.day = _day(day) if day else "　　年　　月　　日"

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:
        return aW, 120

    def draw(self) -> None:
        for y, name in ((92, "检查人员（签字）"), (62, "被检查单位（签字、盖章）")):
            _write(self.canv, f"{name}：", 0, y, 11)
            _line(self.canv, 140, y - 3, 320, 0.4)
            _write(self.canv, "日期：", 340, y, 11)
            _line(self.canv, 375, y - 3, _RIGHT - _LEFT, 0.4)
        _write(self.canv, "检查部门（盖章）", 320, 28, 11)
        _write(self.canv, self.day, 320, 8, 11)
