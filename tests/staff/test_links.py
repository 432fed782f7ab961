"""One-time sign-in links."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from actionkit import db
from actionkit.security import make_token
from actionkit.staff import operations
from actionkit.staff.models import AuditEntry, LinkPurpose, SignInLink, StaffMember, StaffRole
from tests.staff.conftest import token

Add = Callable[..., int]
Link = Callable[[int], str]


def _press(client: FlaskClient, path: str) -> int:
    page = client.get(path)
    if page.status_code != 200:
        return page.status_code
    return client.post(path, data={"csrf_token": token(page)}).status_code


def test_a_link_signs_in_once(app: Flask, client: FlaskClient, add: Add, link: Link) -> None:
    path = link(add(password=None))
    page = client.get(path)
    assert page.status_code == 200
    assert "ann@example.org" in page.text
    answer = client.post(path, data={"csrf_token": token(page)})
    assert (answer.status_code, answer.location) == (303, "/staff/")
    assert client.get("/staff/").status_code == 200
    assert client.get(path).status_code == 410
    other = app.test_client()
    assert _press(other, path) == 410
    fresh = token(other.get("/staff/sign-in"))
    assert other.post(path, data={"csrf_token": fresh}).status_code == 410
    assert other.get("/staff/").status_code == 303
    with app.app_context():
        assert db.session.scalar(sa.select(AuditEntry.detail).where(AuditEntry.action == "sign-in")) == {"by": "link"}


def test_looking_changes_nothing(app: Flask, client: FlaskClient, add: Add, link: Link) -> None:
    path = link(add())
    for _ in range(3):
        assert client.get(path).status_code == 200
        assert client.head(path).status_code == 200
    assert client.get("/staff/").status_code == 303
    with app.app_context():
        assert db.session.scalar(sa.select(SignInLink.used_at)) is None
    assert _press(client, path) == 303


def test_a_link_needs_the_button_of_its_page(client: FlaskClient, add: Add, link: Link) -> None:
    path = link(add())
    assert client.post(path).status_code == 400
    assert client.post(path, data={"csrf_token": "x"}).status_code == 400
    assert _press(client, path) == 303


def test_a_link_is_valid_for_an_hour(
    client: FlaskClient, add: Add, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = link(add())
    page = client.get(path)
    later = db.now() + dt.timedelta(minutes=61)
    monkeypatch.setattr(db, "now", lambda: later)
    assert client.get(path).status_code == 410
    assert client.post(path, data={"csrf_token": token(page)}).status_code == 410
    assert client.get("/staff/").status_code == 303


def test_forged_links_are_no_pages(app: Flask, client: FlaskClient, add: Add, link: Link) -> None:
    path = link(add())
    with app.app_context():
        row = db.session.scalars(sa.select(SignInLink)).one()
        other_purpose = make_token("confirm", row.public_id, row.created_at)
        unknown = make_token(operations.LINK_PURPOSES[LinkPurpose.SIGN_IN], "0" * 32, db.now())
    fresh = token(client.get("/staff/sign-in"))
    last = "A" if path[-2] != "A" else "B"
    for forged in (path[:-2] + last + path[-1], path[:-1], f"/staff/link/{other_purpose}", f"/staff/link/{unknown}"):
        assert client.get(forged).status_code == 404, forged
        assert client.post(forged, data={"csrf_token": fresh}).status_code == 404
    assert client.get("/staff/link/" + "x" * 4000).status_code == 404
    assert client.get("/staff/").status_code == 303


def test_a_link_of_a_closed_account_is_over(app: Flask, client: FlaskClient, add: Add, link: Link) -> None:
    member_id = add(role=StaffRole.VIEWER)
    path = link(member_id)
    with app.app_context():
        operations.deactivate(db.session.get_one(StaffMember, member_id))
        db.session.commit()
    assert client.get(path).status_code == 410


def test_of_many_at_once_one_wins(app: Flask, add: Add, link: Link) -> None:
    path = link(add())
    clients = [app.test_client() for _ in range(8)]
    tokens = [token(c.get(path)) for c in clients]
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda i: clients[i].post(path, data={"csrf_token": tokens[i]}).status_code, range(8)))
    assert sorted(codes) == [303] + [410] * 7


def test_a_link_takes_the_place_of_another_session(client: FlaskClient, add: Add, link: Link) -> None:
    first, second = link(add()), link(add("ben@example.org"))
    assert _press(client, first) == 303
    assert _press(client, second) == 303
    page = client.get("/staff/password")
    assert page.status_code == 200
    assert client.get("/staff/").status_code == 200
