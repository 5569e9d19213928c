"""The mark of who took a workbook away, and when: on each printed page and among the properties of the document."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

_CORE = "docProps/core.xml"
_PROPERTIES = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" \
xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>{title}</dc:title><dc:creator>{who}</dc:creator>\
<dc:description>{text}</dc:description><cp:lastModifiedBy>{who}</cp:lastModifiedBy>\
<dcterms:created xsi:type="dcterms:W3CDTF">{at}</dcterms:created>\
<dcterms:modified xsi:type="dcterms:W3CDTF">{at}</dcterms:modified></cp:coreProperties>"""
# A header holds 255 characters, its codes among them.
_LONGEST = 110
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Stamp:
    """Who, of which organization, and when in local time."""

    name: str
    organization: str
    at: datetime

    @property
    def who(self) -> str:
        return f"{self.name} {self.organization}"

    @property
    def text(self) -> str:
        return f"{self.who} {self.at:%Y-%m-%d %H:%M}"

    @property
    def header(self) -> str:
        """On top of each printed page, as Excel writes it."""
        return f"&R{self._on_paper}"

    @property
    def footer(self) -> str:
        """Below each printed page, with its number."""
        return f"&L{self._on_paper}&R&P / &N"

    @property
    def _on_paper(self) -> str:
        who = _NOT_IN_XML.sub("", self.who)[: _LONGEST - 17].replace("&", "&&")
        return f"{who} {self.at:%Y-%m-%d %H:%M}"


def put(book: Path, stamp: Stamp, title: str) -> None:
    """Write the stamp into the properties of a finished workbook; the sheets, which stand before, are left alone."""
    values = {"title": title, "who": stamp.who, "text": stamp.text, "at": stamp.at.isoformat(timespec="seconds")}
    told = {name: escape(_NOT_IN_XML.sub("", value)) for name, value in values.items()}
    with ZipFile(book, "a", ZIP_DEFLATED) as archive:
        begin = archive.getinfo(_CORE).header_offset
        parts = [part for part in archive.infolist() if part.header_offset >= begin]
        contents = {part.filename: archive.read(part) for part in parts}
        for part in parts:
            archive.filelist.remove(part)
            del archive.NameToInfo[part.filename]
        archive.start_dir = begin
        for name, content in {**contents, _CORE: _PROPERTIES.format(**told).encode()}.items():
            archive.writestr(name, content)
