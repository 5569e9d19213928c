"""Files that people take away, under names that no header breaks on."""

from typing import Any

from flask import send_file

from app import files


def attachment(file: Any, name: str, mimetype: str | None = None, **how: Any) -> Any:
    """Answer with a file to be saved under a name, whatever characters are in the one that was stored."""
    return send_file(file, mimetype=mimetype, as_attachment=True, download_name=files.plain_name(name), **how)
