"""Roles and permissions of access.py as rows of Flask-AppBuilder's tables: exactly those, no others."""

from flask_appbuilder.security.sqla.models import (
    Permission,
    PermissionView,
    Role,
    ViewMenu,
    assoc_group_role,
    assoc_permissionview_role,
    assoc_user_role,
)
from sqlalchemy import delete, exists, insert, select, update

from app.access import ROLES
from app.models import Account, db

Triple = tuple[str, str, str]


def wanted() -> set[Triple]:
    """(role, permission, page) as the code says."""
    return {
        (role, permission, page)
        for role, what in ROLES.items()
        for page, permissions in what.permissions.items()
        for permission in permissions
    }


def stored() -> set[Triple]:
    """(role, permission, page) as the database has it."""
    held = assoc_permissionview_role.c
    triples = (
        select(Role.name, Permission.name, ViewMenu.name)
        .select_from(assoc_permissionview_role)
        .join(Role, Role.id == held.role_id)
        .join(PermissionView, PermissionView.id == held.permission_view_id)
        .join(Permission, Permission.id == PermissionView.permission_id)
        .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
    )
    return {(role, permission, page) for role, permission, page in db.session.execute(triples)}


def differences() -> list[str]:
    """One line for each thing that the database has too much or too little."""
    code, database = wanted(), stored()
    names = set(db.session.scalars(select(Role.name)))
    lines = [f"+ {' '.join(triple)}" for triple in code - database]
    lines += [f"- {' '.join(triple)}" for triple in database - code]
    lines += [f"+ {name}" for name in ROLES.keys() - names] + [f"- {name}" for name in names - ROLES.keys()]
    return sorted(lines)


def sync() -> None:
    """Make the database say what the code says. Accounts keep their roles, as far as these still exist."""
    if not differences():
        return
    _remove_roles()
    roles = _ensure(Role, set(ROLES))
    permissions = _ensure(Permission, {permission for _role, permission, _page in wanted()})
    pages = _ensure(ViewMenu, {page for _role, _permission, page in wanted()})
    db.session.execute(delete(assoc_permissionview_role))
    pairs = {(permission, page) for _role, permission, page in wanted()}
    ids = _pairs(pairs, permissions, pages)
    rows = [
        {"role_id": roles[role], "permission_view_id": ids[permission, page]}
        for role, permission, page in sorted(wanted())
    ]
    db.session.execute(insert(assoc_permissionview_role), rows)


def _remove_roles() -> None:
    gone = select(Role.id).where(Role.name.not_in(list(ROLES))).scalar_subquery()
    for table in (assoc_permissionview_role, assoc_user_role, assoc_group_role):
        db.session.execute(delete(table).where(table.c.role_id.in_(gone)))
    db.session.execute(delete(Role).where(Role.name.not_in(list(ROLES))))
    left = exists().where(assoc_user_role.c.user_id == Account.id)
    db.session.execute(update(Account).where(Account.has_role).values(has_role=left))


def _ensure(model: type[Role] | type[Permission] | type[ViewMenu], names: set[str]) -> dict[str, int]:
    there = set(db.session.scalars(select(model.name)))
    db.session.add_all(model(name=name) for name in sorted(names - there))
    db.session.flush()
    return dict(db.session.execute(select(model.name, model.id)).all())


def _pairs(
    pairs: set[tuple[str, str]], permissions: dict[str, int], pages: dict[str, int]
) -> dict[tuple[str, str], int]:
    names = select(PermissionView.id, Permission.name, ViewMenu.name).join(Permission).join(ViewMenu)
    there = {(permission, page) for _id, permission, page in db.session.execute(names)}
    db.session.add_all(
        PermissionView(permission_id=permissions[permission], view_menu_id=pages[page])
        for permission, page in sorted(pairs - there)
    )
    db.session.flush()
    return {(permission, page): id for id, permission, page in db.session.execute(names)}
