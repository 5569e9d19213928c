"""Files that are no workbook we read, recognised by their content, each with how to make one of it."""

import re
from collections.abc import Collection

from app.sandbox.messages import Unreadable, message as _

from .compound_files import CompoundFile
from .refusals import other_kind

_PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"8BPS")
_ARCHIVES = (b"Rar!\x1a", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b")
_LOOKED_AT = 4096
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s{0,1000}<(?:!doctype\s+html|html|head|meta|table|body|style|div)\b", re.IGNORECASE
)
_XML_SHEET = "urn:schemas-microsoft-com:office:spreadsheet"


def refuse(data: bytes) -> None:
    """Raise Unreadable if a file is of a kind that is known, and is neither a workbook nor a text."""
    head = data[:_LOOKED_AT]
    if head.startswith(b"%PDF-"):
        raise _pdf()
    if _is_picture(head):
        raise _picture()
    if head.startswith(_ARCHIVES):
        raise _archive()
    if head.startswith(b"{\\rtf"):
        raise _word()
    if _XML_SHEET.encode() in head or _XML_SHEET.encode("utf-16-le") in head:
        raise _xml_sheet()
    if _PAGE.match(head) or head.lstrip()[:13].lower() == b"mime-version:":
        raise _page()


def _is_picture(head: bytes) -> bool:
    is_heic = head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"avif")
    is_bitmap = head.startswith(b"BM") and head[6:10] == b"\0\0\0\0"
    return head.startswith(_PICTURES) or is_heic or is_bitmap or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def of_archive(names: Collection[str], media_type: str) -> Unreadable:
    """What is said of an archive that holds no workbook of ours, by the names of its parts."""
    if any(name.endswith("workbook.bin") for name in names):
        return _binary_workbook()
    if media_type.startswith("application/vnd.oasis.opendocument.spreadsheet"):
        return _open_document()
    if media_type.startswith("application/vnd.oasis.opendocument.text") or "word/document.xml" in names:
        return _word()
    if any(name.endswith((".iwa", "index.apxl")) or name == "Index.zip" for name in names):
        return _numbers()
    if "[Content_Types].xml" not in names and not media_type:
        return _archive()
    return other_kind()


def of_compound(file: CompoundFile) -> Unreadable:
    """What is said of a file of Office 97 to 2003 that holds no workbook."""
    return _word() if file.has("WordDocument") else other_kind()


def under_wrong_name() -> Unreadable:
    return Unreadable(
        _("The file is a text under the name of a workbook. Open it in Excel or WPS, save it as .xlsx, and choose that"
          " file.")
    )  # fmt: skip


def _pdf() -> Unreadable:
    return Unreadable(
        _("This is a PDF, not a sheet. Choose the sheet it was made of, or type the rows into the template.")
    )


def _picture() -> Unreadable:
    return Unreadable(_("This is a picture, not a sheet. Type the rows into the template, and choose that file."))


def _archive() -> Unreadable:
    return Unreadable(_("This is an archive of files. Unpack it, and choose the sheet in it."))


def _word() -> Unreadable:
    return Unreadable(
        _("This is a text document (Word or WPS). Copy its table into the template in Excel or WPS, and choose that"
          " file.")
    )  # fmt: skip


def _page() -> Unreadable:
    return Unreadable(
        _("This is a web page under the name of a sheet, as some systems export it. Open it in Excel or WPS, choose"
          " “Save as” and “Excel workbook (.xlsx)”, and choose that file.")
    )  # fmt: skip


def _xml_sheet() -> Unreadable:
    return Unreadable(
        _("This is an XML spreadsheet of 2003. Open it in Excel or WPS, choose “Save as” and “Excel workbook (.xlsx)”,"
          " and choose that file.")
    )  # fmt: skip


def _binary_workbook() -> Unreadable:
    return Unreadable(
        _("This is a binary workbook (.xlsb). In Excel choose “Save as” and “Excel workbook (.xlsx)”, and choose that"
          " file.")
    )  # fmt: skip


def _open_document() -> Unreadable:
    return Unreadable(
        _("This is an OpenDocument sheet (.ods). In LibreOffice choose “Save as” and “Excel 2007–365 (.xlsx)”, and"
          " choose that file.")
    )  # fmt: skip


def _numbers() -> Unreadable:
    return Unreadable(
        _("This is a document of Apple Numbers or Pages. In Numbers choose “File”, “Export to”, “Excel”, and choose"
          " that file.")
    )  # fmt: skip
