"""What stands around every page: the menu by permission, the person, the languages."""

from dataclasses import dataclass, field
from functools import lru_cache
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
    return _drawn(menu).items


@dataclass(frozen=True)
class _Drawn:
    items: list[Item]
    sidebar: str


def _drawn(menu: Menu) -> _Drawn:
    sm = current_app.appbuilder.sm  # type: ignore[attr-defined]
    pages = [page for entry in menu for page in (entry.pages if isinstance(entry, MenuGroup) else (entry,))]
    seen = (sm.has_access("can_list", entry.page.class_permission_name) for entry in pages)  # type: ignore[attr-defined]
    return _draw(tuple(seen), str(get_locale()), request.blueprint, request.script_root)


@lru_cache(maxsize=1024)
def _draw(seen: tuple[bool, ...], _language: str, here: str | None, _root: str) -> _Drawn:
    """The menu of everybody who sees these pages, in a language, at a page: it is drawn once."""
    shown = iter(seen)

    def items(pages: tuple[MenuPage, ...]) -> list[Item]:
        return [
            Item(entry.label, url_for(f"{entry.page.__name__}.index"), entry.icon, here == entry.page.__name__)
            for entry in pages
            if next(shown)
        ]

    found: list[Item] = []
    for entry in current_app.extensions["menu"]:
        if isinstance(entry, MenuPage):
            found += items((entry,))
        elif children := items(entry.pages):
            active = any(child.active for child in children)
            found.append(Item(entry.label, None, entry.icon, active, children))
    shell = {"menu": found, "product": _l("Mandatory verification system")}
    return _Drawn(found, current_app.jinja_env.get_template("_sidebar.html").render(shell=shell) if found else "")


@lru_cache(maxsize=64)
def _draw_fixed(_language: str, login_url: str, has_menu: bool) -> str:
    """What is the same on every page in a language, with or without a menu: it is drawn once."""
    shell = {"menu": has_menu, "login_url": login_url}
    return current_app.jinja_env.get_template("_fixed.html").render(shell=shell)


def context(menu: Menu) -> dict[str, Any]:
    """`shell` for the templates."""
    language, drawn = str(get_locale() or "zh"), _drawn(menu)
    login_url = url_for("LoginView.login")
    return {
        "shell": {
            "product": _l("Mandatory verification system"),
            "menu": drawn.items,
            "sidebar": drawn.sidebar,
            "fixed": _draw_fixed(language, login_url, bool(drawn.items)),
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
            "login_url": login_url,
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
