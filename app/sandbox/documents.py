"""Scans from outside: pictures drawn anew, PDFs rewritten. Runs only in the child process."""

from io import BytesIO
from typing import Any, BinaryIO

import pikepdf

from . import pictures
from .messages import Unreadable, message as _

MOST_PAGES = 200
# Stamps and notes of all pages: drawing them into the pages takes quadratic time.
MOST_ANNOTATIONS = 2000
# What a page needs to look as it does. Actions, files, forms and notes are not among it.
_OF_A_PAGE = {"/Type", "/Parent", "/MediaBox", "/CropBox", "/Rotate", "/UserUnit", "/Resources", "/Contents", "/Group"}


def scan(data: bytes, _options: dict[str, Any], output: BinaryIO) -> None:
    """A PDF, a JPEG or a PNG, whatever its name says."""
    if data.startswith(b"%PDF-"):
        pictures.put("pdf", _rewritten(data), output)
    else:
        pictures.scan(data, output)


def _rewritten(data: bytes) -> bytes:
    """The pages of a PDF and nothing else: no scripts, actions, attached files, forms, links and metadata."""
    file = BytesIO()
    try:
        with pikepdf.open(BytesIO(data)) as opened, pikepdf.new() as made:
            if not 0 < len(opened.pages) <= MOST_PAGES:
                raise Unreadable(_("A PDF has 1 to %(most)s pages.", most=MOST_PAGES))
            if sum(len(page.obj.get("/Annots", ())) for page in opened.pages) > MOST_ANNOTATIONS:
                raise Unreadable(_("The PDF has too many annotations. Print it into a new PDF, and choose that file."))
            opened.flatten_annotations("all")  # a seal that is stamped on a page becomes part of it
            made.pages.extend(opened.pages)
            for page in made.pages:
                for key in set(page.obj.keys()) - _OF_A_PAGE:
                    del page.obj[key]
            made.save(file, recompress_flate=False)
    except pikepdf.PasswordError as error:
        raise Unreadable(_("The PDF is protected by a password. Remove it, and choose the file again.")) from error
    except (pikepdf.PdfError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unreadable(_("The PDF is damaged. Print it into a new PDF, and choose that file.")) from error
    return file.getvalue()
