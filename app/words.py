"""The words of the other languages: made into what gettext reads, wherever that is older or not there."""

import os
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

TRANSLATIONS = Path(__file__).parent / "translations"


def compile_translations() -> None:
    """Bring the compiled words up to date. Several processes may do so at once: each file appears whole."""
    for source in TRANSLATIONS.glob("*/LC_MESSAGES/messages.po"):
        compiled = source.with_suffix(".mo")
        if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
            content = BytesIO()
            write_mo(content, read_po(BytesIO(source.read_bytes())))
            draft = compiled.with_suffix(f".mo.{os.getpid()}")
            draft.write_bytes(content.getvalue())
            draft.replace(compiled)
