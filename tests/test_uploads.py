"""Files that people send: made anew under a safe name, checked for malware, opened in bounded memory."""

import io
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager
from pathlib import Path

import pikepdf
import pytest
from flask import Flask, g
from flask_babel import Babel  # pyright: ignore[reportAttributeAccessIssue]  # not in its __all__
from pikepdf import Array, Dictionary, Name, String
from PIL import Image
from sqlalchemy import select

from app import access, files, malware
from app.domain.uploads import stored_name
from app.models import AuditEntry, Job, Organization, Photo, StandardDocument, db
from app.sandbox import children
from app.sandbox.children import MEGABYTE, Named
from app.sandbox.messages import Unreadable
from app.sandbox.uploads import PHOTOS, SCANS, open_all
from tests.factories import authority, institution, instrument, measurement_standard, using_unit
from tests.hostile import hostile, image, pdf

ROOT = Path(__file__).parent.parent
NASTY = 'a\r\nX-Evil: 1\x01\x1b\u202e"; filename="b.exe";/..\\\u200b甲.pdf'


@pytest.fixture
def words():
    app = Flask("uploads")
    Babel(app)
    with app.app_context():
        yield


def made(task, content: bytes, **options):
    [opened] = open_all(task, [Named("a.pdf", io.BytesIO(content))], options, most_bytes=20 * MEGABYTE)
    return opened


# --- PDFs ----------------------------------------------------------------------------------------


def active_pdf() -> bytes:
    """A PDF with everything that does something, and a seal that is stamped on its page."""
    file = io.BytesIO()
    with pikepdf.new() as made:
        page = made.add_blank_page(page_size=(200, 100))
        page.contents_add(b"0 0 m 100 50 l S")
        script = Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))
        stamp = made.make_stream(b"1 0 0 rg 0 0 20 20 re f")
        stamp.Type, stamp.Subtype, stamp.BBox = Name.XObject, Name.Form, Array([0, 0, 20, 20])
        page.obj.Annots = Array([
            made.make_indirect(Dictionary(Type=Name.Annot, Subtype=Name.Stamp, Rect=Array([10, 10, 30, 30]), F=4,
                                          AP=Dictionary(N=stamp))),
            made.make_indirect(Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=Array([0, 0, 9, 9]), A=script)),
        ])  # fmt: skip
        page.obj.AA = Dictionary(O=script)
        made.Root.OpenAction = script
        made.Root.AcroForm = Dictionary(Fields=Array([]), XFA=String("<xdp/>"))
        made.attachments["evil.exe"] = b"MZ evil"
        made.docinfo["/Author"] = "somebody"
        made.save(file)
    return file.getvalue()


def test_a_pdf_is_rewritten_to_what_its_pages_show(words):
    written = made(SCANS, active_pdf())

    assert written.kind == "pdf"
    with pikepdf.open(io.BytesIO(written.content)) as opened:
        [page] = opened.pages
        assert set(opened.Root.keys()) == {"/Type", "/Pages"}
        assert not {"/Annots", "/AA"} & set(page.obj.keys())
        assert [float(each) for each in page.mediabox] == [0, 0, 200, 100]
        assert len(page.obj.Resources.XObject) == 1  # the stamp is part of the page
        assert "/Author" not in opened.docinfo
        whole = b"".join(each.read_raw_bytes() for each in opened.objects if isinstance(each, pikepdf.Stream))
    for word in (b"JavaScript", b"evil", b"OpenAction", b"somebody"):
        assert word not in written.content + whole


def test_a_size_that_pages_inherit_is_kept(words):
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf())) as opened:
        opened.Root.Pages.MediaBox = Array([0, 0, 321, 123])
        del opened.pages[0].obj["/MediaBox"]
        opened.save(file)

    with pikepdf.open(io.BytesIO(made(SCANS, file.getvalue()).content)) as opened:
        assert [float(each) for each in opened.pages[0].mediabox] == [0, 0, 321, 123]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-<script>alert(1)</script>", "The PDF is damaged."),
        (pdf()[:200], "The PDF is damaged."),
        (pdf(201), "A PDF has 1 to 200 pages."),
        (b"GIF89a", "A scan is a PDF, a JPEG or a PNG."),
    ],
)
def test_what_is_no_scan_is_refused(words, content, reason):
    with pytest.raises(Unreadable) as refused:
        made(SCANS, content)
    assert str(refused.value).startswith(reason)


def test_a_pdf_with_a_password_is_refused(words):
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf())) as opened:
        opened.save(file, encryption=pikepdf.Encryption(owner="o", user="u"))

    with pytest.raises(Unreadable, match="protected by a password"):
        made(SCANS, file.getvalue())


# --- Pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_scan_is_drawn_anew_without_what_is_behind_and_beside_it(words, kind):
    exif = Image.Exif()
    exif[0x010F] = "Camera of somebody"
    exif[0x0112] = 6  # turned by a quarter
    content = image(kind, (60, 40), exif=exif) + b"<script>behind</script>"

    written = made(SCANS, content)

    with Image.open(io.BytesIO(written.content)) as opened:
        assert (opened.format, opened.size) == (kind, (40, 60))
    assert written.kind == kind.lower()
    assert b"Camera" not in written.content
    assert b"script" not in written.content


def png(depth: int, colours: int, pixels: list[tuple[int, ...]], transparent=b"", palette=b"") -> bytes:
    """A PNG of one row, of any depth: Pillow itself does not write them all."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    bits = "".join(f"{value:0{depth}b}" for pixel in pixels for value in pixel)
    bits += "0" * (-len(bits) % 8)
    row = b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    parts = [(b"IHDR", struct.pack(">IIBBBBB", len(pixels), 1, depth, colours, 0, 0, 0))]
    parts += [(b"PLTE", palette)] if palette else []
    parts += [(b"tRNS", transparent)] if transparent else []
    parts += [(b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
BLACK_AND_RED = b"\0\0\0\xff\0\0\xff\xff\xff"
# Eight pixels of each are black, eight are clear (or else white), and eight have a colour or grey of their own.
PNGS = {
    f"{name} {depth}": (png(depth, kind, [black] * 8 + [clear] * 8 + [own] * 8, *more), expected)
    for name, depth, kind, black, clear, own, expected, *more in [
        ("grey", 1, GREY, (0,), (1,), (1,), 255),
        ("grey", 2, GREY, (0,), (3,), (2,), 170),
        ("grey", 4, GREY, (0,), (15,), (8,), 136),
        ("grey", 8, GREY, (0,), (255,), (100,), 100),
        ("grey", 16, GREY, (0,), (65535,), (25700,), 100),
        ("clear grey", 1, GREY, (0,), (1,), (0,), 0, b"\0\1"),
        ("clear grey", 2, GREY, (0,), (1,), (2,), 170, b"\0\1"),
        ("clear grey", 4, GREY, (0,), (3,), (8,), 136, b"\0\3"),
        ("clear grey", 8, GREY, (0,), (30,), (100,), 100, b"\0\x1e"),
        ("clear grey", 16, GREY, (0,), (5,), (25700,), 100, b"\0\5"),
        ("colour", 8, COLOUR, (0, 0, 0), (255, 255, 255), (9, 99, 199), (9, 99, 199)),
        ("colour", 16, COLOUR, (0, 0, 0), (65535,) * 3, (9 << 8, 99 << 8, 199 << 8), (9, 99, 199)),
        ("clear colour", 8, COLOUR, (0, 0, 0), (1, 2, 3), (9, 99, 199), (9, 99, 199), b"\0\1\0\2\0\3"),
        ("clear colour", 16, COLOUR, (0, 0, 0), (999, 999, 999), (9 << 8, 99 << 8, 199 << 8), (9, 99, 199),
         b"\3\xe7" * 3),
        *(("palette", depth, PALETTE, (0,), (2,), (1,), (255, 0, 0), b"", BLACK_AND_RED) for depth in (2, 4, 8)),
        *(("clear palette", depth, PALETTE, (0,), (2,), (1,), (255, 0, 0), b"\xff\xff\0", BLACK_AND_RED[:6] + b"\0\0\0")
          for depth in (2, 4, 8)),
        ("grey and alpha", 8, GREY_ALPHA, (0, 255), (0, 0), (100, 255), 100),
        ("grey and alpha", 16, GREY_ALPHA, (0, 65535), (0, 0), (25700, 65535), 100),
        ("colour and alpha", 8, COLOUR_ALPHA, (0, 0, 0, 255), (0, 0, 0, 0), (0, 0, 0, 128), 127),
        ("colour and alpha", 16, COLOUR_ALPHA, (0, 0, 0, 65535), (0, 0, 0, 0), (0, 0, 0, 32896), 127),
    ]
}  # fmt: skip


def pixels_of(content: bytes) -> list[tuple[int, int, int]]:
    """The middle pixel of each third of a row."""
    with Image.open(io.BytesIO(content)) as opened:
        deep = opened.mode == "I;16"
        drawn = opened.convert("I").point([level // 257 for level in range(65_536)], "L") if deep else opened
        return [drawn.convert("RGB").getpixel((x, 0)) for x in (4, 12, 20)]  # type: ignore[misc]  # of RGB a triple


@pytest.mark.parametrize("name", PNGS)
def test_every_mode_and_depth_of_png_keeps_its_content_on_white(words, name):
    content, own = PNGS[name]
    own = own if isinstance(own, tuple) else (own,) * 3

    scan = pixels_of(made(SCANS, content).content)
    photo = pixels_of(made(PHOTOS, content, longest_side=100).content)

    assert scan == [(0, 0, 0), (255, 255, 255), own]
    for drawn, expected in zip(photo, scan, strict=True):
        assert max(abs(one - other) for one, other in zip(drawn, expected, strict=True)) <= 40  # what JPEG loses


@pytest.mark.parametrize(
    ("kind", "mode", "colour", "options"),
    [
        ("JPEG", "L", 100, {}),
        ("JPEG", "RGB", (10, 100, 200), {}),
        ("JPEG", "RGB", (10, 100, 200), {"progressive": True}),
        ("JPEG", "CMYK", (245, 155, 55, 0), {}),
        ("WEBP", "RGB", (10, 100, 200), {"lossless": True}),
        ("WEBP", "RGBA", (10, 100, 200, 255), {"lossless": True}),
    ],
)
def test_every_mode_of_jpeg_and_webp_keeps_its_content_on_white(words, kind, mode, colour, options):
    file = io.BytesIO()
    Image.new(mode, (48, 48), colour).save(file, kind, **options)
    expected = (100, 100, 100) if mode == "L" else (10, 100, 200)

    for task, how in ((PHOTOS, {"longest_side": 40}), (SCANS, {}))[: 1 if kind == "WEBP" else 2]:
        with Image.open(io.BytesIO(made(task, file.getvalue(), **how).content)) as opened:
            drawn = opened.convert("RGB").getpixel((20, 20))
        assert max(abs(one - other) for one, other in zip(drawn, expected, strict=True)) <= 4  # type: ignore[arg-type]


@pytest.mark.parametrize(("task", "options"), [(PHOTOS, {"longest_side": 1800}), (SCANS, {})])
def test_black_writing_on_a_clear_ground_stays_readable(words, task, options):
    [path] = (ROOT / "tests" / "data").glob("71-*")

    with Image.open(io.BytesIO(made(task, path.read_bytes(), **options).content)) as opened:
        grey = opened.convert("L")

    assert any(grey.histogram()[:40])
    assert grey.getpixel((0, 0)) == 255
    dark = sum(grey.histogram()[:128])
    assert 0 < dark < grey.width * grey.height / 2


@pytest.mark.parametrize("colour", [(255, 255, 255, 255), (0, 0, 0, 0)])
def test_a_picture_of_which_nothing_is_seen_on_white_is_refused(words, colour):
    picture = Image.new("RGBA", (60, 20), (0, 0, 0, 0))
    picture.paste(colour, (10, 5, 50, 15))
    file = io.BytesIO()
    picture.save(file, "PNG")

    with pytest.raises(Unreadable, match="On white nothing of the picture is seen"):
        made(PHOTOS, file.getvalue(), longest_side=100)


def test_an_empty_page_without_transparency_is_kept(words):
    file = io.BytesIO()
    Image.new("RGBA", (60, 20), "white").save(file, "PNG")

    assert made(SCANS, file.getvalue()).kind == "png"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_moving_picture_is_refused(words, kind):
    file = io.BytesIO()
    first, second = (Image.new("RGB", (20, 20), colour) for colour in ("red", "blue"))
    first.save(file, kind, save_all=True, append_images=[second])

    with pytest.raises(Unreadable, match="The picture moves"):
        made(PHOTOS, file.getvalue(), longest_side=100)


@pytest.mark.parametrize(
    ("content", "most"),
    [
        (image("PNG", (6001, 4000), "1"), 24),
        (image("JPEG", (6001, 4000), "L"), 24),
        (image("WEBP", (4001, 3000), method=0), 12),
    ],
)
def test_a_picture_of_too_many_pixels_is_refused(words, content, most):
    with pytest.raises(Unreadable) as refused:
        made(PHOTOS, content, longest_side=1800)
    assert str(refused.value) == f"The picture has more than {most} million pixels. Make it smaller."


def test_of_several_files_the_one_that_is_refused_is_named(words):
    sent = [Named(name, io.BytesIO(content)) for name, content in (("好.jpg", image("JPEG")), ("坏.jpg", b"x" * 2**20))]

    with pytest.raises(Unreadable, match=r"“坏\.jpg” is bigger than 0 MB"):
        open_all(PHOTOS, sent, {"longest_side": 100}, most_bytes=2**20 - 1)


@pytest.mark.parametrize(("scans", "refused"), [(100, False), (4_000, True)])
def test_a_jpeg_of_very_many_layers_is_refused(words, scans, refused):
    """Each is drawn over the whole picture: 400 KB took 14 seconds."""
    plain = image("JPEG", (600, 400), progressive=True)
    last = plain.rindex(b"\xff\xda")
    layered = plain[:last] + plain[last:-2] * (scans - plain.count(b"\xff\xda") + 1) + plain[-2:]

    sent = [Named("层.jpg", io.BytesIO(layered))]
    if refused:
        with pytest.raises(Unreadable, match="too many layers"):
            open_all(PHOTOS, sent, {"longest_side": 100}, most_bytes=MEGABYTE)
    else:
        assert open_all(PHOTOS, sent, {"longest_side": 100}, most_bytes=MEGABYTE)[0].kind == "jpeg"


def test_a_pdf_of_very_many_annotations_is_refused(words):
    with pikepdf.new() as made:
        page = made.add_blank_page()
        note = made.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Annot, Rect=[0, 0, 1, 1]))
        page.obj.Annots = pikepdf.Array([note] * 100_000)
        file = io.BytesIO()
        made.save(file)

    file.seek(0)

    with pytest.raises(Unreadable, match="too many annotations"):
        open_all(SCANS, [Named("批注.pdf", file)], {}, most_bytes=2 * MEGABYTE)


# --- Not all threads at once ----------------------------------------------------------------------


@contextmanager
def inside(app, number):
    """Somebody's request, which may open files."""
    with app.test_request_context():
        g.principal = access.Principal(account_id=number)
        with children._entrance():
            yield


def test_one_thread_at_least_answers_those_who_send_no_files(app):
    """With four threads, three are let in, each of another account; whoever else comes is told at once."""
    with inside(app, 1), inside(app, 2):
        with pytest.raises(Unreadable, match="系统正在处理您上传的其他文件"), inside(app, 1):
            pass
        with inside(app, 3), pytest.raises(Unreadable, match="当前同时处理的文件较多"), inside(app, 4):
            pass
        with inside(app, 4):
            pass
    assert children._inside.total() == 0


# --- Memory --------------------------------------------------------------------------------------

# In a process of its own, which is small: what the system tells of a child begins with the memory of its parent.
OPEN_ALL = """
import json, resource, sys
from pathlib import Path
from flask import Flask
from flask_babel import Babel  # pyright: ignore[reportAttributeAccessIssue]  # not in its __all__
from app import spreadsheet
from app.sandbox.children import Named
from app.sandbox.messages import Unreadable
from app.sandbox.uploads import PHOTOS, SCANS, SEAL, open_all
TASKS = {"photo": (PHOTOS, {"longest_side": 1800}), "seal": (SEAL, {"sides": [100, 2000]}), "scan": (SCANS, {})}
app = Flask("hostile"); Babel(app)

def outcome(task, name, file):
    try:
        if task == "sheet":
            return str(len(spreadsheet.read(file, name, most_rows=50_000).rows))
        return open_all(*TASKS[task][:1], [Named(name, file)], TASKS[task][1], most_bytes=20 * 2**20)[0].kind
    except Unreadable as refused:
        return str(refused)

with app.app_context():
    for line in sys.stdin:
        path = Path(line.strip())
        with path.open("rb") as file:
            said = outcome(*path.name.split("~")[1:], file)
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        # Not what getrusage says of this process: that begins with the memory of the one that started it.
        own = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
        print(json.dumps([path.name, said, children // 1024, int(own) // 1024]), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not limit memory")
def test_no_process_that_reads_a_hostile_file_grows_beyond_300_megabytes(tmp_path):
    paths = []
    for number, (task, name, content) in enumerate(hostile()):
        paths.append(tmp_path / f"{number}~{task}~{name}")
        paths[-1].write_bytes(content)

    done = subprocess.run(
        [sys.executable, "-c", OPEN_ALL], input="\n".join(map(str, paths)), capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(paths) >= 100
    children, parent = (max(result[which] for result in results) for which in (2, 3))
    assert 40 < children < 300
    assert parent < 300
    # None of them is unforeseen: each is either read, or refused for a reason that is about it.
    assert [result[:2] for result in results if "cannot be opened" in result[1]] == []


# --- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kind", "name"),
    [
        ("证书.PDF", "pdf", "证书.pdf"),
        ("../../x/evil.svg.html", "jpeg", "evil.svg.jpg"),
        ("C:\\fakepath\\扫描 1.png", "png", "扫描 1.png"),
        ("a\r\nb\x01\u202e\u200bc.exe", "png", "abc.png"),
        ('x";<b>.html', "pdf", "x-;-b.pdf"),
        ("...", "pdf", "File.pdf"),
        ("", "pdf", "File.pdf"),
        ("长" * 300 + ".png", "png", "长" * 116 + ".png"),
    ],
)
def test_a_file_is_kept_under_its_stem_and_the_extension_of_what_it_is(words, sent, kind, name):
    assert stored_name(sent, kind) == name


def test_every_download_has_a_name_that_headers_can_hold(app, sign_in):
    """Whatever was stored before names were cleaned."""
    clerk, lab = sign_in("StandardOfficer", authority("330106")), institution("330106")
    document = StandardDocument(
        institution_id=lab.id, standard_id=measurement_standard(lab).id, name=NASTY, kind="pdf", size=1,
        file=files.keep(pdf()),
    )  # fmt: skip
    job = Job(kind="export", account_id=clerk.account.id, state="done",
              asked={}, file=files.keep(b"x"), file_name=NASTY, done=1, total=1)  # fmt: skip
    db.session.add_all([document, job])
    db.session.commit()

    for url in (f"/standards/document/{document.id}", f"/jobs/file/{job.id}"):
        answer = clerk.get(url)
        assert answer.status_code == 200, url
        assert "attachment" in answer.headers["Content-Disposition"]
        assert "X-Evil" not in answer.headers
        for value in answer.headers.values():
            assert value.isprintable()
            assert not re.search("%0[0-9A-F]|%1[0-9A-F]|%E2%80", value)


def test_only_one_place_answers_with_files_to_be_saved():
    """So that what holds for one download holds for all."""
    answering = {
        str(path.relative_to(ROOT / "app"))
        for path in (ROOT / "app").rglob("*.py")
        if re.search("as_attachment|download_name|Content-Disposition", path.read_text(encoding="utf-8"))
    }

    assert answering == {"fabkit/downloads.py"}


# --- Malware -------------------------------------------------------------------------------------

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@contextmanager
def scanner(address, answer=None):
    """A program that speaks as clamd does, and finds the word EICAR."""
    seen: list[bytes] = []
    server = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    server.bind(address)
    server.listen()

    def serve():
        while True:
            try:
                connection, _peer = server.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as file:
                assert file.read(10) == b"zINSTREAM\0"
                content = b""
                while size := struct.unpack("!I", file.read(4))[0]:
                    content += file.read(size)
                seen.append(content)
                said = answer or (b"stream: Eicar-Test FOUND" if b"EICAR" in content else b"stream: OK")
                connection.sendall(said + b"\0")

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname(), seen
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.fixture
def in_context(app):
    with app.app_context():
        yield


@pytest.mark.usefixtures("in_context")
def test_without_a_scanner_nothing_is_asked(app, monkeypatch):
    monkeypatch.setitem(app.config, "CLAMD", "")

    assert malware.find(io.BytesIO(EICAR)) is None


@pytest.mark.usefixtures("in_context")
@pytest.mark.skipif(sys.platform == "win32", reason="no such sockets")
def test_the_scanner_is_asked_over_a_socket_of_the_file_system(app, monkeypatch, tmp_path):
    with scanner(str(tmp_path / "clamd")) as (_address, seen):
        monkeypatch.setitem(app.config, "CLAMD", str(tmp_path / "clamd"))
        large = io.BytesIO(b"x" * 200_000)

        assert (malware.find(io.BytesIO(EICAR)), malware.find(large)) == ("Eicar-Test", None)

    assert seen == [EICAR, b"x" * 200_000]
    assert large.tell() == 0


def test_sent_files_are_opened_only_where_the_scanner_is_asked_first():
    opening = {
        str(path.relative_to(ROOT / "app"))
        for path in (ROOT / "app").rglob("*.py")
        if re.search(r"spreadsheet\.read\(|open_all\(|open_files\(", path.read_text(encoding="utf-8"))
    }

    assert opening - {"sandbox/children.py", "sandbox/uploads.py", "spreadsheet/reading.py"} == {
        "domain/uploads.py",
        "domain/sheets.py",
        "domain/imports.py",
    }


@pytest.fixture
def clerk(sign_in):
    authority("330106")
    return sign_in("UsingUnitClerk", using_unit())


def send_photo(clerk, content):
    what = instrument(unit=db.session.get(Organization, clerk.account.organization_id))
    return clerk.act("ledger", "add_photos", [what.id], photos=[(io.BytesIO(content), "照片.jpg")])


def send_sheet(clerk, content):
    return clerk.act("ledger", "import", [], file=(io.BytesIO(content), "器具.csv"))


@pytest.mark.parametrize("send", [send_photo, send_sheet])
def test_what_the_scanner_finds_is_refused_and_stands_in_the_audit_log(app, clerk, monkeypatch, send):
    with scanner(("127.0.0.1", 0)) as ((host, port), seen):
        monkeypatch.setitem(app.config, "CLAMD", f"{host}:{port}")

        answer = send(clerk, EICAR)

    assert answer.status_code == 422
    assert "未通过恶意代码检查" in answer.text
    assert seen == [EICAR]
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "malware")).one()
    assert (entry.by_id, entry.detail) == (clerk.account.id, {"signature": "Eicar-Test"})


@pytest.mark.parametrize("said", [None, b"INSTREAM size limit exceeded. ERROR", b""])
def test_no_file_is_accepted_while_the_scanner_does_not_answer(app, clerk, monkeypatch, said):
    with scanner(("127.0.0.1", 0), said) as ((host, port), _seen):
        monkeypatch.setitem(app.config, "CLAMD", f"{host}:{port if said else 1}")

        answers = [send_photo(clerk, image("JPEG")), send_sheet(clerk, b"a,b")]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert all("暂时无法对文件进行恶意代码检查" in answer.text for answer in answers)
    assert db.session.scalars(select(Photo)).all() == []


def test_a_clean_photo_is_accepted(app, clerk, monkeypatch):
    with scanner(("127.0.0.1", 0)) as ((host, port), seen):
        monkeypatch.setitem(app.config, "CLAMD", f"{host}:{port}")
        assert send_photo(clerk, image("JPEG")).status_code == 204

    assert len(seen) == 1
