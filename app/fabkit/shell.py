"""What stands around every page: the menu by permission, the person, the languages."""

from dataclasses import dataclass, field
from typing import Any

from flask import current_app, g, request, url_for
from flask_babel import get_locale, lazy_gettext as _l


@dataclass(frozen=True)
class MenuPage:
    """A page's place in the menu; it shows to who may list it."""

    label: Any
    page: type
    icon: str = "point"


@dataclass(frozen=True)
class MenuGroup:
    label: Any
    icon: str
    pages: tuple[MenuPage, ...]


@dataclass
class Item:
    label: Any
    url: str | None
    icon: str
    active: bool
    items: list["Item"] = field(default_factory=list)


Menu = tuple[MenuPage | MenuGroup, ...]


def permitted_items(menu: Menu) -> list[Item]:
    """The menu as this person sees it, in its order; groups without a page are left out."""
    items = []
    for entry in menu:
        if isinstance(entry, MenuPage):
            items += _items((entry,))
        else:
            children = _items(entry.pages)
            if children:
                active = any(child.active for child in children)
                items.append(Item(entry.label, None, entry.icon, active, children))
    return items


def _items(pages: tuple[MenuPage, ...]) -> list[Item]:
    sm = current_app.appbuilder.sm  # type: ignore[attr-defined]
    here = request.blueprint
    return [
        Item(entry.label, url_for(f"{entry.page.__name__}.index"), entry.icon, here == entry.page.__name__)
        for entry in pages
        if sm.has_access("can_list", entry.page.class_permission_name)  # type: ignore[attr-defined]
    ]


def context(menu: Menu) -> dict[str, Any]:
    """`shell` for the templates."""
    language = str(get_locale() or "zh")
    return {
        "shell": {
            "product": _l("Mandatory verification system"),
            "menu": permitted_items(menu),
            "user": _person(),
            "language": "zh-CN" if language.startswith("zh") else language,
            "languages": [
                {
                    "code": code,
                    "label": how["name"],
                    "url": url_for("SessionView.language", code=code),
                    "active": language.startswith(code),
                }
                for code, how in current_app.config["LANGUAGES"].items()
            ],
            "login_url": url_for("LoginView.login"),
            "register_url": url_for("Registration.register"),
            "logout_url": url_for("LoginView.logout"),
            "home_url": url_for("HomeView.index"),
        }
    }


def _person() -> dict[str, str] | None:
    who = g.get("principal")
    if who is None or who.account_id is None:
        return None
    account = g.user.username
    return {
        "name": who.name,
        "account": account,
        "organization": who.organization,
        "initial": who.name[:1],
    }
