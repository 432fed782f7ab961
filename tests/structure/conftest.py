"""Members of staff on the whole application, each with a session of her own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.staff import operations
from actionkit.staff.models import StaffRole
from tests.signing.site import Site
from tests.structure.page import Page

SignIn = Callable[..., FlaskClient]


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


@pytest.fixture
def sign_in(app: Flask) -> SignIn:
    """Make an account with a role, on all campaigns or on some, and sign it in by its link."""

    def make(role: StaffRole, *slugs: str) -> FlaskClient:
        with app.app_context():
            ids = list(db.session.scalars(sa.select(Campaign.id).where(Campaign.slug.in_(slugs))))
            assert len(ids) == len(slugs)
            member = operations.add_staff(f"{role}-{len(slugs)}@staff.example.org", role, None, ids)
            path = operations.new_sign_in_link(member)
            db.session.commit()
        client = app.test_client()
        answer = client.post(path, data={"csrf_token": Page(client.get(path).text).value("csrf_token")})
        assert answer.status_code == 303, answer.text
        return client

    return make


def csrf_token(client: FlaskClient) -> str:
    """The token of the session, as any form behind the desk carries it."""
    page = Page(client.get("/staff/password").text)
    return next(e["value"] for e in page.all("input", name="csrf_token"))
