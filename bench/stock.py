"""The same list as a stock Flask-AppBuilder application, as its documentation shows, on the same tables.

Its ab_* tables live in a schema of their own. It searches in columns of the table itself only, so name and
serial number of the instrument are column properties. Its action loops over the items and
commits once.
"""

import os
from typing import Any

from flask import Flask, redirect
from flask_appbuilder import AppBuilder, BaseView, Model, ModelView, expose, has_access
from flask_appbuilder.actions import action
from flask_appbuilder.forms import DynamicForm
from flask_appbuilder.models.sqla.base import SQLA
from flask_appbuilder.models.sqla.filters import FilterIn, FilterStartsWith
from flask_appbuilder.models.sqla.interface import SQLAInterface
from sqlalchemy import Engine, Table, create_engine, func, select
from sqlalchemy.orm import column_property, relationship
from wtforms import StringField

SCHEMA, ACCOUNT = "stock", "bench-stock"


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["SECRET_KEY"],
        SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
        SQLALCHEMY_ENGINE_OPTIONS={
            "connect_args": {"options": f"-c search_path={SCHEMA} -c timezone=Asia/Shanghai -c jit=off"}
        },
        # So that 100,000 ids can be posted at all.
        MAX_FORM_MEMORY_SIZE=2**26,
    )
    db = SQLA(app)
    engine = create_engine(os.environ["DATABASE_URL"])
    with app.app_context():
        kit = AppBuilder(app, db.session)  # type: ignore[arg-type]
        province, nation = _views(_tables(engine), int(os.environ["BENCH_INSTITUTION"]))
        kit.add_view_no_menu(Empty)
        kit.add_view(province, "Tasks of the province")
        kit.add_view(nation, "Tasks of the nation")
        if not kit.sm.find_user(ACCOUNT):
            role = kit.sm.find_role("Admin")
            kit.sm.add_user(ACCOUNT, "Bench", "Stock", "stock@example.org", role, "bench")  # type: ignore[call-arg]
    engine.dispose()
    return app


class Empty(BaseView):
    """A page with nothing on it."""

    route_base = "/empty"
    default_view = "index"

    @expose("/")
    @has_access
    def index(self) -> Any:
        return self.render_template("appbuilder/index.html")


def _tables(engine: Engine) -> tuple[Any, Any]:
    """Task with its relations, and Event, mapped to what is there."""

    def table(name: str) -> Any:
        return Table(name, Model.metadata, autoload_with=engine, schema="public")

    def mapped(name: str, **more: Any) -> Any:
        found = table(name)
        keys = {"primary_key": [found.c.id if "id" in found.c else found.c.code]}
        return type(name.title(), (Model,), {"__table__": found, "__mapper_args__": keys, **more})

    region, appointment, instrument = mapped("region"), mapped("appointment"), mapped("instrument")
    kind = mapped("catalogue_item")
    kind.parent = relationship(kind, remote_side=[kind.id])
    task = table("task")

    def of_instrument(column: Any) -> Any:
        return column_property(select(column).where(instrument.id == task.c.instrument_id).scalar_subquery())

    return (
        mapped(
            "task",
            region=relationship(region),
            appointment=relationship(appointment, overlaps="region"),
            instrument=relationship(instrument, overlaps="region,appointment"),
            kind=relationship(kind),
            instrument_name=of_instrument(instrument.name),
            serial_no=of_instrument(instrument.serial_no),
        ),
        mapped("event"),
    )


class SearchForm(DynamicForm):
    """Flask-AppBuilder makes none by itself for column properties."""

    instrument_name = StringField()
    serial_no = StringField()


def _views(tables: tuple[Any, Any], institution_id: int) -> tuple[type, type]:
    task, event = tables

    class Tasks(ModelView):
        datamodel = SQLAInterface(task)
        list_columns = [  # noqa: RUF012
            *(
                "state",
                "appointment.no",
                "instrument_name",
                "kind.parent.name",
                "kind.name",
                "instrument.model",
            ),
            *("serial_no", "appointment.applicant", "region.full_name", "instrument.use_place", "applied_at"),
            "delivery",
        ]
        search_columns = ["instrument_name", "serial_no"]  # noqa: RUF012
        search_form = SearchForm
        base_filters = [["state", FilterIn, ["returned", "unassigned"]]]  # noqa: RUF012
        base_order = ("applied_at", "asc")
        page_size = 20
        add_columns = edit_columns = show_columns = ["state"]  # noqa: RUF012

        @action("assign", "Assign", "Assign the chosen tasks?", multiple=True)
        def assign(self, items: list[Any]) -> Any:
            session = self.datamodel.session
            for item in items:
                if item.state not in ("returned", "unassigned"):
                    continue
                item.previous_state, item.state = item.state, "offered"
                item.previous_institution_id, item.institution_id = item.institution_id, institution_id
                item.state_since, item.reason, item.forced = func.now(), None, True
                session.add(event(**_told(item)))
            session.commit()
            return redirect(self.get_redirect())

    class ProvinceTasks(Tasks):
        datamodel = SQLAInterface(task)
        base_filters = [*Tasks.base_filters, ["city_code", FilterStartsWith, "33"]]  # noqa: RUF012

    class NationTasks(Tasks):
        datamodel = SQLAInterface(task)

    return ProvinceTasks, NationTasks


def _told(task: Any) -> dict[str, Any]:
    same = ("city_code", "region_code", "using_unit_id", "institution_id")
    return {name: getattr(task, name) for name in same} | {
        "subject": "task",
        "subject_id": task.id,
        "step": "assign",
        "from_state": task.previous_state,
        "to_state": task.state,
        "by_name": "bench",
        "by_organization": "bench",
    }
