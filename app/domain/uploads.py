"""Files that people send: checked for malware, made anew in a child process, and given a name that is safe."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _

from app import audit, files, malware
from app.errors import RuleError
from app.models import db
from app.sandbox.children import Task, Upload
from app.sandbox.messages import Unreadable
from app.sandbox.uploads import Opened, open_all

LONGEST_NAME = 120
EXTENSIONS = {"pdf": "pdf", "jpeg": "jpg", "png": "png"}


def check(uploads: Sequence[Upload], field: str) -> None:
    """Refuse files in which the malware scanner finds something, or all if it does not answer (setting CLAMD)."""
    for upload in uploads:
        name = files.plain_name(upload.filename or "")
        try:
            found = malware.find(upload.stream)
        except malware.NoAnswer as error:
            text = _("Files cannot be checked for malware just now, so none is accepted. Please try again later.")
            raise RuleError(text, field=field) from error
        if found:
            db.session.rollback()
            audit.record("malware", "upload", None, name, signature=found)
            db.session.commit()
            raise RuleError(_("The malware scanner refuses “%(file)s”. Nothing was saved.", file=name), field=field)


def opened(
    task: Task, uploads: Sequence[Upload], options: Mapping[str, Any], *, most_bytes: int, field: str
) -> list[Opened]:
    """Check the files of a request and make them anew; `field` is where the person chose them.

    This takes seconds: call it before rows are locked.
    """
    check(uploads, field)
    try:
        return open_all(task, uploads, options, most_bytes=most_bytes)
    except Unreadable as reason:
        raise RuleError(str(reason), field=field) from reason


def stored_name(filename: str | None, kind: str) -> str:
    """The name under which a file is kept: the stem that the person gave, and the extension of what is in it."""
    extension = EXTENSIONS[kind]
    stem = files.stem(filename or "")[: LONGEST_NAME - len(extension) - 1].rstrip(" .")
    return f"{stem or _('File')}.{extension}"
