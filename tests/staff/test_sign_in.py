"""The door: passwords, cookies, `next`, limits, sign-out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from actionkit import db
from actionkit.staff import operations
from actionkit.staff.models import AuditEntry, StaffMember
from tests.staff.conftest import PASSWORD, build, sign_in, token

Add = Callable[..., int]


def test_the_right_password_opens_the_desk_and_leaves_a_trace(app: Flask, client: FlaskClient, add: Add) -> None:
    member_id = add()
    answer = sign_in(client, email=" Ann@Example.ORG ")
    assert (answer.status_code, answer.location) == (303, "/staff/")
    assert client.get("/staff/").status_code == 200
    with app.app_context():
        entries = db.session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "sign-in")).all()
        assert [(e.staff_member_id, e.subject, e.detail) for e in entries] == [
            (member_id, "ann@example.org", {"by": "password"})
        ]


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ann@example.org", "another password"),
        ("nobody@example.org", PASSWORD),
        ("link@example.org", PASSWORD),
        ("gone@example.org", PASSWORD),
        ("no address", PASSWORD),
        ("ann@example.org", "x\0y"),
        ("ann@example.org", "x" * 200_000),
    ],
)
def test_every_wrong_sign_in_reads_the_same(
    app: Flask, client: FlaskClient, add: Add, email: str, password: str
) -> None:
    add()
    add("link@example.org", password=None)
    gone = add("gone@example.org")
    with app.app_context():
        operations.deactivate(db.session.get_one(StaffMember, gone))
        db.session.commit()
    expected = sign_in(client, email="e@example.org", password="wrong").text.replace("e@example.org", "ADDRESS")
    answer = sign_in(client, email=email, password=password)
    assert answer.status_code == 422
    assert _without_token(answer.text.replace(f'"{email}"', '"ADDRESS"')) == _without_token(expected)
    assert "do not belong together" in answer.text
    assert client.get("/staff/").status_code == 303


def _without_token(text: str) -> str:
    """Nor what is asked of passkeys, which is new each time."""
    return re.sub(r'(csrf_token" value|data-options)="[^"]+"', "", text)


def test_a_password_is_checked_once_whoever_asks(
    client: FlaskClient, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is the hash's: one hash or check for a known account, one for an unknown one."""
    add()
    add("link@example.org", password=None)
    spent: list[str] = []
    context = client.application.extensions["security"].pwd_context
    for name in ("hash", "verify"):
        real = getattr(context, name)
        monkeypatch.setattr(context, name, lambda *a, real=real, name=name, **k: (spent.append(name), real(*a, **k))[1])
    for email in ("ann@example.org", "nobody@example.org", "link@example.org", "no address"):
        spent.clear()
        sign_in(client, email=email, password="wrong")
        assert len(spent) == 1, email


def test_empty_fields_are_named(client: FlaskClient) -> None:
    page = sign_in(client, email="", password="")
    assert page.status_code == 422
    assert "Please enter your e-mail address." in page.text
    assert "Please enter your password." in page.text
    assert 'aria-describedby="email-error"' in page.text
    assert page.text.count("<h1") == 1


def test_a_form_without_its_token_is_refused_and_its_address_kept(client: FlaskClient, add: Add) -> None:
    add()
    data = {"email": "ann@example.org", "password": PASSWORD, "next": "/staff/campaigns/1"}
    for more in ({}, {"csrf_token": "wrong"}):
        answer = client.post("/staff/sign-in", data=data | more)
        assert answer.status_code == 400
        assert "The form had expired" in answer.text
        assert 'value="ann@example.org"' in answer.text
        assert PASSWORD not in answer.text
        assert client.get("/staff/").status_code == 303
    # One press sends it again: the page that was answered carries a token of this session.
    again = client.post("/staff/sign-in", data=data | {"csrf_token": token(answer)})
    assert (again.status_code, again.location) == (303, "/staff/campaigns/1")
    assert 'name="next" value="/staff/campaigns/1"' in answer.text


def test_only_forms_in_utf_8_are_read(client: FlaskClient, add: Add) -> None:
    add()
    assert client.post("/staff/sign-in", json={"email": "ann@example.org", "password": PASSWORD}).status_code == 415
    raw = client.post("/staff/sign-in", data=b"email=%ff", content_type="application/x-www-form-urlencoded")
    assert raw.status_code == 400
    accept = client.get("/staff/sign-in", headers={"Accept": "application/json"})
    assert accept.mimetype == "text/html"


def test_another_site_cannot_post(client: FlaskClient, add: Add) -> None:
    add()
    sign_in(client)
    answer = client.post("/staff/sign-out", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/staff/campaigns/1?state=held&q=a%20b", "/staff/campaigns/1?state=held&q=a%20b"),
        ("//evil.example", "/staff/"),
        ("///evil.example", "/staff/"),
        ("https:evil", "/staff/"),
        ("https://evil.example/", "/staff/"),
        ("/\\evil", "/staff/"),
        ("\\/evil", "/staff/"),
        ("javascript:alert(1)", "/staff/"),
        ("/x\r\nSet-Cookie: a=b", "/staff/"),
        ("/\t/evil.example", "/staff/"),
        ("//[evil", "/staff/"),
        ("desk.index", "/staff/"),
        ("", "/staff/"),
    ],
)
def test_next_is_a_path_of_this_site_or_nothing(client: FlaskClient, add: Add, wanted: str, location: str) -> None:
    add()
    page = client.get("/staff/sign-in", query_string={"next": wanted})
    assert page.status_code == 200
    assert "evil" not in page.text
    data = {"csrf_token": token(page), "email": "ann@example.org", "password": PASSWORD}
    by_query = client.post("/staff/sign-in", query_string={"next": wanted}, data=data)
    assert (by_query.status_code, by_query.location) == (303, location)
    other = client.application.test_client()
    by_form = sign_in(other, next=wanted)
    assert (by_form.status_code, by_form.location) == (303, location)
    assert "Set-Cookie" not in by_form.headers or "a=b" not in by_form.headers["Set-Cookie"]
    # Who is signed in already is sent on by the same rule.
    assert client.get("/staff/sign-in", query_string={"next": wanted}).location == location


def test_who_is_not_signed_in_is_sent_to_the_door_and_back(client: FlaskClient, add: Add) -> None:
    add()
    asked = client.get("/staff/campaigns/1?state=held&q=a%20b")
    assert asked.status_code == 303
    page = client.get(asked.location)
    assert "state=held&amp;q=a%20b" in page.text
    hidden = re.search(r'name="next" value="([^"]*)"', page.text)
    assert hidden
    answer = sign_in(client, next=hidden[1].replace("&amp;", "&"))
    assert answer.location == "/staff/campaigns/1?state=held&q=a%20b"


# ---------------------------------------------------------------- limits


def test_wrong_passwords_of_one_account_are_few_and_the_owner_elsewhere_is_let_in(
    client: FlaskClient, add: Add
) -> None:
    add()
    codes = [sign_in(client, password="wrong", address="192.0.2.66").status_code for _ in range(20)]
    assert codes == [422] * 5 + [429] * 15
    refused = sign_in(client, address="192.0.2.66")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 301
    assert "minute" in refused.text
    assert sign_in(client, address="192.0.2.1").status_code == 303


def test_the_limit_is_the_same_for_an_account_that_is_not_there(client: FlaskClient) -> None:
    codes = [sign_in(client, email="nobody@example.org", password="wrong").status_code for _ in range(7)]
    assert codes == [422] * 5 + [429] * 2


def test_one_wrong_password_for_each_of_many_accounts(client: FlaskClient, add: Add) -> None:
    add()
    answers = [sign_in(client, email=f"u{n}@example.org", password="wrong").status_code for n in range(200)]
    assert answers == [422] * 30 + [429] * 170
    assert sign_in(client, address="2001:db8::1").status_code == 303


def test_a_network_of_ipv6_is_one(client: FlaskClient, add: Add) -> None:
    add()
    codes = [sign_in(client, password="no", address=f"2001:db8::{n + 1}").status_code for n in range(7)]
    assert codes == [422] * 5 + [429] * 2


def test_right_passwords_are_not_counted(client: FlaskClient, add: Add) -> None:
    add()
    for _ in range(12):
        assert sign_in(client.application.test_client()).status_code == 303


# ---------------------------------------------------------------- sessions


def test_the_session_is_a_new_one_after_the_sign_in(client: FlaskClient, add: Add) -> None:
    add()
    planted = token(client.get("/staff/sign-in"))
    before = client.get_cookie("actionkit")
    sign_in(client)
    after = client.get_cookie("actionkit")
    assert before
    assert after
    assert before.value != after.value
    # A token that was known before the sign-in is worth nothing after it.
    assert client.post("/staff/sign-out", data={"csrf_token": planted}).status_code == 400
    other = client.application.test_client()
    other.set_cookie("actionkit", before.value)
    assert other.get("/staff/").status_code == 303


def test_sign_out_is_a_post_and_ends_copies_of_the_session(client: FlaskClient, add: Add) -> None:
    add()
    sign_in(client)
    cookie = client.get_cookie("actionkit")
    assert cookie
    assert client.get("/staff/sign-out").status_code == 405
    assert client.get("/staff/").status_code == 200
    assert client.post("/staff/sign-out").status_code == 400
    assert client.get("/staff/").status_code == 200
    page = client.get("/staff/password")
    answer = client.post("/staff/sign-out", data={"csrf_token": token(page)})
    assert (answer.status_code, answer.location) == (303, "/staff/sign-in")
    assert client.get("/staff/").status_code == 303
    thief = client.application.test_client()
    thief.set_cookie("actionkit", cookie.value)
    assert thief.get("/staff/").status_code == 303


def test_a_closed_account_is_refused_at_the_next_request(app: Flask, client: FlaskClient, add: Add) -> None:
    member_id = add(role=operations.StaffRole.VIEWER)
    sign_in(client)
    assert client.get("/staff/").status_code == 200
    with app.app_context():
        operations.deactivate(db.session.get_one(StaffMember, member_id))
        db.session.commit()
    assert client.get("/staff/").status_code == 303


def test_a_session_ends_with_the_day(client: FlaskClient, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    add()
    sign_in(client)
    real = __import__("time").time
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: real() + 12 * 3600 + 60)
    assert client.get("/staff/").status_code == 303


def test_no_token_takes_the_place_of_a_session(app: Flask, client: FlaskClient, add: Add) -> None:
    member_id = add()
    with app.test_request_context("/staff/"):
        secret = db.session.get_one(StaffMember, member_id).get_auth_token()
    assert client.get("/staff/", headers={"Authentication-Token": secret}).status_code == 303
    assert client.get("/staff/", query_string={"auth_token": secret}).status_code == 303


# ---------------------------------------------------------------- cookies and headers


def test_cookie_over_http(client: FlaskClient, add: Add) -> None:
    add()
    answer = sign_in(client)
    (cookie,) = answer.headers.getlist("Set-Cookie")
    name, *marks = cookie.split("; ")
    assert name.startswith("actionkit=")
    assert sorted(marks) == ["HttpOnly", "Path=/", "SameSite=Lax"]


def test_cookie_over_https(tmp_path: Path) -> None:
    app = build(tmp_path, base_url="https://act.example.org")
    client = app.test_client()
    with app.app_context():
        operations.add_staff("ann@example.org", operations.StaffRole.ADMIN, PASSWORD)
        db.session.commit()
    page = client.get("/staff/sign-in", base_url="https://act.example.org")
    data = {"csrf_token": token(page), "email": "ann@example.org", "password": PASSWORD}
    answer = client.post("/staff/sign-in", data=data, base_url="https://act.example.org")
    assert answer.status_code == 303
    (cookie,) = answer.headers.getlist("Set-Cookie")
    name, *marks = cookie.split("; ")
    assert name.startswith("__Host-actionkit=")
    assert sorted(marks) == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]
    db.close(app)


def test_pages_of_the_desk_are_kept_nowhere(client: FlaskClient, add: Add) -> None:
    add()
    for path in ("/staff/sign-in", "/staff/", "/staff/none", "/staff/link/x"):
        headers = client.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert "Cookie" in headers["Vary"]
    sign_in(client)
    assert client.get("/staff/").headers["Cache-Control"] == "no-store"


def test_public_pages_have_no_session(client: FlaskClient, add: Add) -> None:
    add()
    plain = client.application.test_client().get("/public")
    sign_in(client)
    seen = client.get("/public")
    assert seen.data == plain.data
    assert seen.headers == plain.headers
    assert "Vary" not in seen.headers
    assert "Set-Cookie" not in seen.headers
    assert client.post("/public", data={"x": "y"}).status_code == 200  # no token asked for


def test_the_desk_says_503_when_the_database_is_away(
    client: FlaskClient, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add()
    sign_in(client)

    def away(*_args: object, **_kwargs: object) -> None:
        raise sa.exc.OperationalError("", {}, Exception("away"))

    monkeypatch.setattr(db.session, "execute", away)
    assert client.get("/staff/").status_code == 503
