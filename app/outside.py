"""What the system is to the outside: the address under which it is reached, and the mail it sends."""

import mimetypes
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage

from flask import current_app


@dataclass(frozen=True)
class Attachment:
    name: str
    content: bytes


@dataclass(frozen=True)
class Letter:
    """A mail in plain text, perhaps with a file."""

    to: str
    subject: str
    text: str
    attachment: Attachment | None = None


def address(path: str) -> str:
    """Where a page is reached from outside (PUBLIC_URL), e.g. by a printed QR code."""
    return f"{current_app.config['PUBLIC_URL']}{path}"


def send(letters: Sequence[Letter]) -> int:
    """Mail the letters, if a server is configured (SMTP_HOST). Gives how many were sent."""
    config = current_app.config
    if not letters or not config["SMTP_HOST"]:
        return 0
    with smtplib.SMTP(config["SMTP_HOST"], config["SMTP_PORT"], timeout=30) as server:
        if config["SMTP_TLS"]:
            server.starttls(context=ssl.create_default_context())
        if config["SMTP_USER"]:
            server.login(config["SMTP_USER"], config["SMTP_PASSWORD"])
        for letter in letters:
            server.send_message(_message(letter, config["SMTP_FROM"]))
    return len(letters)


def _message(letter: Letter, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, letter.to, letter.subject
    message.set_content(letter.text)
    if letter.attachment:
        kind, _encoding = mimetypes.guess_type(letter.attachment.name)
        main, _slash, sub = (kind or "application/octet-stream").partition("/")
        message.add_attachment(letter.attachment.content, maintype=main, subtype=sub, filename=letter.attachment.name)
    return message
