"""The captcha of the public forms: its fields, its picture and sound, and another one for who cannot read it."""

from datetime import timedelta
from typing import Any

from flask import abort, request, url_for
from flask_appbuilder import expose
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, StringField
from wtforms.validators import DataRequired, Length

from app.domain import attempts, captchas
from app.fabkit.forms import Form
from app.fabkit.pages import Page
from app.models import db

MOST_IN_A_MINUTE = 120
# Sounds cost more to make than pictures, and few people need them.
MOST_SOUNDS = 20


class CaptchaForm(Form):
    """A form that strangers may send."""

    captcha = StringField(
        _l("Verification code"), validators=[DataRequired(_l("Please type the verification code.")), Length(max=8)]
    )
    captcha_token = HiddenField(validators=[Length(max=43)])

    def solved(self) -> bool:
        return captchas.solve(self.captcha_token.data or "", self.captcha.data or "", request.remote_addr or "")

    def ask_again(self) -> dict[str, str]:
        """A new question, and where its picture and sound are."""
        self.captcha.data = ""
        self.captcha_token.data = captchas.ask()
        return links(self.captcha_token.data)


def links(token: str) -> dict[str, str]:
    return {
        "image_url": url_for("Captchas.media", token=token, kind="png"),
        "audio_url": url_for("Captchas.media", token=token, kind="wav"),
        "refresh_url": url_for("Captchas.another"),
    }


def _refuse_too_many(what: str, most: int) -> None:
    """Answer 429 if the address asks for more than `most` of them in a minute."""
    refused = attempts.too_many(f"{what}:{attempts.of_network(request.remote_addr or '')}", most, timedelta(minutes=1))
    db.session.commit()
    if refused:
        abort(429)


class Captchas(Page):
    """Open to everybody, but not without end."""

    route_base = "/captcha"
    default_view = "another"

    @expose("/", methods=["GET"])
    def another(self) -> Any:
        _refuse_too_many("captcha", MOST_IN_A_MINUTE)
        token = captchas.ask()
        return links(token) | {"token": token}, {"Cache-Control": "no-store"}

    @expose("/<token>.<kind>", methods=["GET"])
    def media(self, token: str, kind: str) -> Any:
        _refuse_too_many(*(("captcha_sound", MOST_SOUNDS) if kind == "wav" else ("captcha", MOST_IN_A_MINUTE)))
        media = captchas.media(token, kind)
        if media is None:
            abort(404)
        body, mimetype = media
        return body, {"Content-Type": mimetype, "Cache-Control": "no-store"}
