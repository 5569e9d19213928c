"""Fields that forms of many pages share."""

import json
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length


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
        filters=[lambda text: (text or "").strip()],
    )
