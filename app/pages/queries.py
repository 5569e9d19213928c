"""数据查询: what the seven query pages have in common. They only look: they list, show and export.

What tells of a person is masked unless the role may see persons.
"""

from typing import Any

from flask_babel import lazy_gettext as _l

from app.fabkit.formats import mask_name, mask_phone
from app.fabkit.pages import SEE_PERSONS, ModelPage, Show

Masks = dict[Any, Any]


class QueryPage(ModelPage):
    """A list of everything of one's area with all that is known of each row."""

    # By the label under which `details` shows it: what tells of a person, and how it is shown to others.
    masks: Masks = {}  # noqa: RUF012 -- declared once per page, as Flask-AppBuilder does

    def details(self, row_id: int) -> Show | None:
        found = self.found(row_id)
        if found is not None and not self.allowed(SEE_PERSONS):
            _mask(found, self.masks)
        return found

    def found(self, row_id: int) -> Show | None:
        """Everything known of a row; None if it is not there for this person."""
        raise NotImplementedError


PERSON, TELEPHONE = mask_name, mask_phone
# The label under which it stands who did something; in the history it stands without.
DONE_BY = _l("Done by")


def _mask(show: Show, masks: Masks) -> None:
    by_label = {str(label): mask for label, mask in masks.items()}

    def masked(label: Any, value: Any) -> Any:
        mask = by_label.get(str(label))
        return mask(str(value)) if mask and value else value

    for section in show.sections:
        section.fields = [(label, masked(label, value)) for label, value in section.fields]
    for table in show.tables:
        table.rows = [[row[0], *(masked(row[0], cell) for cell in row[1:])] for row in table.rows]
    for entry in show.timeline:
        entry["by"] = masked(DONE_BY, entry["by"])
