"""A small application with nothing but the foundation and the staff package."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader
from werkzeug.test import TestResponse

from actionkit import assets, db, errors, languages, security
from actionkit.campaigns import models as campaigns
from actionkit.staff import accounts, audit, operations, rights
from actionkit.staff.models import StaffMember, StaffRole
from actionkit.staff.rights import Right
from config import Config

TEMPLATES = Path(__file__).parents[2] / "templates"
LAYOUT = (
    "<!doctype html><title>{% block title %}{% endblock %}</title>"
    "<main>{% block main %}{% endblock %}</main>{{ current_user.is_authenticated if is_named else '' }}"
)
PASSWORD = "three unlikely words"


def build(folder: Path, **settings: str) -> Flask:
    environ = {"ACTIONKIT_INSTANCE": str(folder), "ACTIONKIT_SECRET_KEY": "k" * 64}
    config = Config.from_env(environ | {f"ACTIONKIT_{name.upper()}": value for name, value in settings.items()})
    app = Flask("actionkit", static_folder=None)
    app.config.update(config.to_flask(), TESTING=False)
    app.jinja_loader = ChoiceLoader(  # type: ignore[assignment]
        [
            DictLoader({"layouts/staff.html": LAYOUT, "errors/error.html": "<h1>{{ title }}</h1><p>{{ text }}</p>"}),
            FileSystemLoader(TEMPLATES),
        ]
    )
    db.init_app(app)
    security.init_app(app)
    languages.init_app(app)
    assets.init_app(app)
    errors.init_app(app)
    accounts.init_app(app)
    _add_views(app)
    with app.app_context():
        db.Base.metadata.create_all(app.extensions["database"]["writing"])
        program = campaigns.Program(slug="p", title="P")
        db.session.add(program)
        db.session.flush()
        for slug in ("a", "b"):
            db.session.execute(sa.insert(campaigns.Campaign).values(**_campaign(slug, program.id)))
        db.session.commit()
    return app


def _campaign(slug: str, program_id: int) -> dict[str, object]:
    return {"slug": slug, "program_id": program_id, "country": "IT", "language": "en", "timezone": "Europe/Rome"}


def _add_views(app: Flask) -> None:
    """A desk of three pages, as other packages build them, and a public page."""

    @app.get("/staff/", endpoint="desk.index")
    @rights.needs(Right.VIEW)
    def index() -> str:
        return f"desk {sorted(rights.campaign_ids(Right.VIEW) or [])} {rights.campaign_ids(Right.EDIT)}"

    @app.get("/staff/campaigns/<int:campaign>")
    @rights.needs(Right.VIEW)
    def campaign_page(campaign: int) -> str:
        rights.require(Right.VIEW, campaign)
        return f"campaign {campaign}"

    @app.route("/staff/campaigns/<int:campaign>/edit", methods=["GET", "POST"])
    @rights.needs(Right.VIEW)
    def edit(campaign: int) -> str:
        rights.require(Right.EDIT, campaign)
        audit.record("edit", str(campaign), field="title")
        db.session.commit()
        return "edited"

    @app.get("/staff/people")
    @rights.needs(Right.ADMIN)
    def people() -> str:
        return "people"

    @app.get("/staff/forgotten")
    def forgotten() -> str:
        return "no rule"

    @app.get("/public")
    def public() -> str:
        return errors.render_template("errors/error.html", title="public", text="")

    @app.post("/public")
    def public_post() -> str:
        return "taken"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    built = build(tmp_path)
    yield built
    db.close(built)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def add(app: Flask) -> Callable[..., int]:
    """Make an account; its id."""

    def make(
        email: str = "ann@example.org",
        role: StaffRole = StaffRole.ADMIN,
        password: str | None = PASSWORD,
        campaign_ids: tuple[int, ...] = (),
    ) -> int:
        with app.app_context():
            member = operations.add_staff(email, role, password, campaign_ids)
            db.session.commit()
            return member.id

    return make


@pytest.fixture
def link(app: Flask) -> Callable[[int], str]:
    """Make a one-time link of an account; its path."""

    def make(member_id: int) -> str:
        with app.app_context():
            path = operations.new_sign_in_link(db.session.get_one(StaffMember, member_id))
            db.session.commit()
            return path

    return make


def token(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def sign_in(
    client: FlaskClient,
    email: str = "ann@example.org",
    password: str = PASSWORD,
    address: str = "192.0.2.1",
    **more: str,
) -> TestResponse:
    """Fill in the sign-in form as a browser does."""
    page = client.get("/staff/sign-in")
    data = {"csrf_token": token(page), "email": email, "password": password, **more}
    return client.post("/staff/sign-in", data=data, environ_base={"REMOTE_ADDR": address})
