"""Files that people take away, under names that no header breaks on."""

from typing import Any
from urllib.parse import quote

from flask import request, send_file

from app import files


def attachment(file: Any, name: str, mimetype: str | None = None, **how: Any) -> Any:
    """Answer with a file to be saved under a name, whatever characters are in the one that was stored.

    Programs that do not understand the name in UTF-8 (RFC 6266) get one of the page's and of what is ASCII in it.
    """
    plain = files.plain_name(name)
    answer = send_file(file, mimetype=mimetype, as_attachment=True, download_name=plain, **how)
    if not plain.isascii():
        page = (request.blueprint or request.endpoint or "file").partition(".")[0]
        rest = "".join(each for each in plain if each.isascii() and each not in '"\\').strip(" -_")
        fallback = f"{page}-{rest}" if not rest.startswith(".") else f"{page}{rest}"
        answer.headers["Content-Disposition"] = f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(plain)}"
    return answer
