"""Fields that forms of many pages share."""

import json
from collections.abc import Callable
from typing import Any

import wtforms
from flask import render_template
from flask_babel import gettext as _, lazy_gettext as _l
from flask_wtf import FlaskForm
from markupsafe import Markup
from wtforms import Field, PasswordField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, StopValidation, ValidationError
from wtforms.widgets import TextInput

from app import numbers
from app.telephones import telephone
from app.texts import entered

from .filters import is_number


def a_telephone(_form: Any, field: Any) -> None:
    """A validator: a telephone number, written in any way, becomes what is kept of it."""
    found = telephone(field.data or "")
    if found is None:
        raise ValidationError(_("Please give a mobile number, or a number with its area code."))
    field.data = found


class Form(FlaskForm):
    """What every form of ours is: no text field takes invisible characters, or blanks around a text."""

    class Meta(FlaskForm.Meta):
        def bind_field(self, form: Any, unbound_field: Any, options: Any) -> Any:
            field = super().bind_field(form, unbound_field, options)
            if isinstance(field, StringField) and not isinstance(field, PasswordField):
                field.filters = (_line if not isinstance(field, TextAreaField) else _lines, *field.filters)
            return field


def _line(data: Any) -> Any:
    return entered(data) if isinstance(data, str) else data


def _lines(data: Any) -> Any:
    return entered(data, lines=True) if isinstance(data, str) else data


def trimmed(text: str | None) -> str:
    """A filter of fields: without blanks around it."""
    return (text or "").strip()


class _NumberField:
    """A number, read as sheets read it. What cannot be read is refused and stays on the screen.

    Not an input of type number: browsers drop the comma of 1,6 while it is typed, and full-width digits on sending.
    """

    widget = TextInput()
    inputmode = "decimal"
    data: Any
    process_errors: Any

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = None
        if valuelist and valuelist[0].strip():
            self.data = self.read(valuelist[0])

    def read(self, text: str) -> Any:
        number = numbers.parse(text)
        if number is None:
            raise ValueError(
                _("Please give a number like 1234.5. A comma separates groups of three digits only, as in 1,234.5.")
            )
        return number

    def pre_validate(self, form: Any) -> None:
        if self.process_errors:
            raise StopValidation  # whether it is large enough cannot be said

    def __call__(self, **kwargs: Any) -> Any:
        return super().__call__(**{"inputmode": self.inputmode, **kwargs})  # type: ignore[misc]


class DecimalField(_NumberField, wtforms.DecimalField):
    """A number with decimals."""


class IntegerField(_NumberField, wtforms.IntegerField):
    """A whole number."""

    inputmode = "numeric"

    def read(self, text: str) -> int:
        number = super().read(text)
        if number != number.to_integral_value():
            raise ValueError(_("Please give a whole number."))
        return int(number)


class SuggestingTextArea(TextAreaField):
    """A text with common answers to pick from."""

    def __init__(self, *args: Any, suggestions: tuple[Any, ...] = (), **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.type = "TextAreaField"  # for the templates it is one
        self.suggestions = suggestions

    def __call__(self, **kwargs: Any) -> Any:
        texts = json.dumps([str(text) for text in self.suggestions], ensure_ascii=False)
        return super().__call__(**{"data-suggestions": texts, **kwargs})


def reason_field(label: Any, shortest: int, longest: int, suggestions: tuple[Any, ...]) -> SuggestingTextArea:
    """A mandatory reason."""
    message = _l("A reason has %(min)d to %(max)d characters.")
    return SuggestingTextArea(
        label,
        validators=[DataRequired(_l("Please give a reason.")), Length(shortest, longest, message)],
        suggestions=suggestions,
        filters=[trimmed],
    )


class CascadeField(StringField):
    """A place in a tree, chosen level by level: a select for each level, filled from `options_url` by fields.js.

    What is posted is the deepest place chosen. `find` gives the way to it from the top, nothing if it is unknown.
    """

    def __init__(
        self,
        label: Any,
        *,
        levels: tuple[Any, ...],
        options_url: str,
        find: Callable[[str], list[tuple[str, str]]],
        **kwargs: Any,
    ):
        super().__init__(label, **kwargs)
        self.levels, self.options_url, self.find = levels, options_url, find

    @property
    def path(self) -> list[str]:
        """The codes from the top down to the place."""
        code = self.data or ""
        return [code for code, _name in self.find(code)] if is_number(code) else []

    def pre_validate(self, form: Any) -> None:
        if self.data and not self.path:
            raise ValidationError(_("This is not among the choices."))

    def __call__(self, **kwargs: Any) -> Markup:
        return Markup(render_template("_cascade_field.html", field=self, attributes=kwargs))  # noqa: S704 -- escaped there


class SuggestField(StringField):
    """A text of its own with suggestions while typing (suggest.js); anything else may be typed as well.

    `options_url` answers with {"value", "present"}: a text, and what it is called now if that is something else.
    """

    def __init__(self, label: Any, *args: Any, options_url: str, **kwargs: Any):
        super().__init__(label, *args, **kwargs)
        self.options_url = options_url

    def __call__(self, **kwargs: Any) -> Any:
        data = {"data-suggest-url": self.options_url, "data-text-present": _("Present name: {name}")}
        return super().__call__(**{"autocomplete": "off", **data, **kwargs})


class SearchSelectField(StringField):
    """One row of a table too long for a list of options: found by typing (selects.js), posted as its id.

    `find` gives the text of a row, None if it is not among the choices.
    """

    def __init__(
        self,
        label: Any,
        *,
        options_url: str,
        find: Callable[[int], str | None],
        placeholder: Any = "",
        **kwargs: Any,
    ):
        super().__init__(label, **kwargs)
        self.options_url, self.find, self.placeholder = options_url, find, placeholder

    @property
    def row_id(self) -> int | None:
        """The id of the chosen row."""
        chosen = str(self.data or "")
        return int(chosen) if is_number(chosen) else None

    def pre_validate(self, form: Any) -> None:
        if self.data and (self.row_id is None or self.find(self.row_id) is None):
            raise ValidationError(_("This is not among the choices."))

    def __call__(self, **kwargs: Any) -> Markup:
        chosen = [(self.row_id, self.find(self.row_id))] if self.row_id is not None else []
        return Markup(  # noqa: S704 -- escaped there
            render_template("_search_select_field.html", field=self, chosen=chosen, attributes=kwargs)
        )


class SearchSelectManyField(Field):
    """Several rows of a table too long for a list of options: found by typing (selects.js), posted as their keys.

    Keys are ids or codes of digits. `find` gives the texts of those that are among the choices, by key.
    """

    def __init__(
        self,
        label: Any,
        *,
        options_url: str,
        find: Callable[[list[str]], dict[str, str]],
        placeholder: Any = "",
        **kwargs: Any,
    ):
        super().__init__(label, **kwargs)
        self.options_url, self.find, self.placeholder = options_url, find, placeholder

    @property
    def chosen(self) -> dict[str, str]:
        """The text of each chosen row, by key; what is not among the choices is left out."""
        return self.find([key for key in self.data if is_number(key)])

    def process_data(self, value: Any) -> None:
        self.data = [str(key) for key in value or ()]

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = list(dict.fromkeys(valuelist))

    def pre_validate(self, form: Any) -> None:
        if len(self.chosen) < len(self.data):
            raise ValidationError(_("This is not among the choices."))

    def __call__(self, **kwargs: Any) -> Markup:
        return Markup(  # noqa: S704 -- escaped there
            render_template(
                "_search_select_field.html", field=self, chosen=self.chosen.items(), many=True, attributes=kwargs
            )
        )
