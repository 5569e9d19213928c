"""What is said of a file that is not taken."""

from app.sandbox.messages import TooManyRows, Unreadable, message as _

# A cell of a sheet holds 32,767 characters.
LONGEST_TEXT = 32_000


def damaged() -> Unreadable:
    return Unreadable(_("The file is damaged. Open it in Excel or WPS, save it anew as .xlsx, and choose it again."))


def too_big() -> Unreadable:
    return Unreadable(
        _(
            "The sheet is too big. Copy the filled rows into an empty template, without the formatted empty rows and"
            " columns around them, and choose that file."
        )
    )


def encrypted() -> Unreadable:
    return Unreadable(_("The file is protected by a password. Remove the password, save it, and choose it again."))


def macros() -> Unreadable:
    return Unreadable(_("The file holds macros. Save it as “Excel workbook (.xlsx)”, and choose that file."))


def other_kind() -> Unreadable:
    return Unreadable(
        _("The file is of a kind that is not taken. Open it in Excel or WPS, save it as .xlsx, and choose that file.")
    )


def too_long() -> Unreadable:
    return Unreadable(
        _("A cell holds more than %(most)s characters. Shorten it, and choose the file again.", most=LONGEST_TEXT)
    )


def too_many_rows(most: int) -> TooManyRows:
    return TooManyRows(_("The sheet has more than %(most)s rows. Divide it into several files.", most=most))


def too_many_columns(most: int) -> Unreadable:
    return Unreadable(
        _(
            "There are values to the right of column %(most)s. Delete them, or copy the columns you need into an"
            " empty template.",
            most=most,
        )
    )
