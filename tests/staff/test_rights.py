"""Who may do what, and where."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from flask_security import login_user

from actionkit import db
from actionkit.staff import operations, rights
from actionkit.staff.models import AuditEntry, StaffMember, StaffRole
from actionkit.staff.rights import Right
from tests.staff.conftest import PASSWORD, sign_in, token

Add = Callable[..., int]


def _post(client: FlaskClient, path: str, **data: str) -> int:
    fresh = token(client.get("/staff/password"))
    return client.post(path, data={"csrf_token": fresh, **data}).status_code


def test_the_table(app: Flask, add: Add) -> None:
    for role, expected in (
        (StaffRole.VIEWER, {Right.VIEW}),
        (StaffRole.CAMPAIGNER, {Right.VIEW, Right.EXPORT, Right.ACT, Right.EDIT}),
        (StaffRole.ADMIN, set(Right)),
    ):
        member_id = add(f"{role}@example.org", role)
        with app.test_request_context("/staff/"):
            login_user(db.session.get_one(StaffMember, member_id))
            assert {right for right in Right if rights.campaign_ids(right) is None} == expected
            assert {right for right in Right if rights.may(right, 7)} == expected


def test_nobody_may_do_anything_without_a_session(app: Flask) -> None:
    with app.test_request_context("/staff/"):
        assert rights.campaign_ids(Right.VIEW) == set()
        assert not rights.may(Right.VIEW)
    with app.app_context():
        assert not rights.may(Right.VIEW)


def test_rights_per_campaign(client: FlaskClient, add: Add) -> None:
    add(role=StaffRole.CAMPAIGNER, campaign_ids=(1,))
    sign_in(client)
    assert client.get("/staff/").text == "desk [1] {1}"
    assert client.get("/staff/campaigns/1").status_code == 200
    assert client.get("/staff/campaigns/2").status_code == 404
    assert _post(client, "/staff/campaigns/1/edit") == 200
    assert _post(client, "/staff/campaigns/2/edit") == 404
    assert client.get("/staff/people").status_code == 403


def test_a_viewer_sees_and_changes_nothing(app: Flask, client: FlaskClient, add: Add) -> None:
    add(role=StaffRole.VIEWER, campaign_ids=(1,))
    sign_in(client)
    assert client.get("/staff/campaigns/1").status_code == 200
    assert _post(client, "/staff/campaigns/1/edit", role="admin") == 403
    assert _post(client, "/staff/campaigns/2/edit") == 404
    with app.app_context():
        assert db.session.scalar(sa.select(AuditEntry.id).where(AuditEntry.action == "edit")) is None


def test_roles_on_different_campaigns_do_not_mix(client: FlaskClient, add: Add) -> None:
    add(role=StaffRole.CAMPAIGNER, campaign_ids=(1,))
    add(role=StaffRole.VIEWER, campaign_ids=(2,))
    sign_in(client)
    assert client.get("/staff/campaigns/2").status_code == 200
    assert _post(client, "/staff/campaigns/2/edit") == 403
    assert _post(client, "/staff/campaigns/1/edit") == 200


def test_what_is_taken_away_is_gone_at_the_next_request(app: Flask, client: FlaskClient, add: Add) -> None:
    member_id = add(role=StaffRole.CAMPAIGNER)
    add(role=StaffRole.VIEWER)
    sign_in(client)
    assert _post(client, "/staff/campaigns/1/edit") == 200
    cookie = client.get_cookie("actionkit")
    assert cookie
    with app.app_context():
        operations.revoke(db.session.get_one(StaffMember, member_id), StaffRole.CAMPAIGNER)
        db.session.commit()
    assert _post(client, "/staff/campaigns/1/edit") == 403


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_without_a_session_no_post_gets_in(client: FlaskClient, method: str) -> None:
    answer = getattr(client, method)("/staff/campaigns/1/edit")
    assert answer.status_code in (401, 405)


def test_a_post_without_its_token_is_refused(app: Flask, client: FlaskClient, add: Add) -> None:
    add()
    sign_in(client)
    for data in ({"title": "x"}, {"title": "x", "csrf_token": "wrong"}):
        answer = client.post("/staff/campaigns/1/edit", data=data)
        assert answer.status_code == 400
        assert "The form expired" in answer.text
    with app.app_context():
        assert db.session.scalar(sa.select(AuditEntry.id).where(AuditEntry.action == "edit")) is None


def test_an_old_form_of_ours_is_sent_again_with_one_press(client: FlaskClient, add: Add) -> None:
    add()
    sign_in(client)
    old = {"title": '"<b>', "csrf_token": "old"}
    ours = client.post("/staff/campaigns/1/edit", data=old, headers={"Sec-Fetch-Site": "same-origin"})
    assert ours.status_code == 400
    assert 'name="title" value="&#34;&lt;b&gt;"' in ours.text
    again = client.post("/staff/campaigns/1/edit", data=old | {"csrf_token": token(ours)})
    assert again.status_code == 200
    # What may have been filled in elsewhere is not drawn.
    unknown = client.post("/staff/campaigns/1/edit", data=old)
    assert "&lt;b&gt;" not in unknown.text


def test_an_old_form_survives_the_end_of_its_session(client: FlaskClient, add: Add) -> None:
    add()
    sign_in(client)
    fresh = token(client.get("/staff/password"))
    client.delete_cookie("actionkit")
    headers = {"Sec-Fetch-Site": "same-origin"}
    data = {"title": "typed", "csrf_token": fresh}
    answer = client.post("/staff/campaigns/1/edit", data=data, headers=headers)
    assert answer.status_code == 400
    assert 'value="typed"' in answer.text
    assert "no longer signed in" in answer.text


def test_rules_can_be_found(app: Flask) -> None:
    rules = {
        rule.endpoint: rights.rule_of(app.view_functions[rule.endpoint])
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/staff") and not rule.endpoint.startswith(("staff.", "factors.", "account."))
    }
    assert rules == {
        "security.login": "everyone",
        "security.logout": "everyone",
        "security.change_password": "signed-in",
        "desk.index": "view",
        "campaign_page": "view",
        "edit": "view",
        "people": "admin",
        "forgotten": None,
    }


def test_a_view_without_a_rule_is_for_nobody(client: FlaskClient, add: Add) -> None:
    assert client.get("/staff/forgotten").status_code == 403
    add()
    sign_in(client)
    assert client.get("/staff/forgotten").status_code == 403


def test_a_new_password_ends_other_sessions(client: FlaskClient, add: Add) -> None:
    add()
    sign_in(client)
    other = client.application.test_client()
    sign_in(other)
    new = "four other unlikely words"
    wrong = {"password": "no", "new_password": new, "new_password_confirm": new}
    assert _post(client, "/staff/password", **wrong) == 422
    weak = {"password": PASSWORD, "new_password": "password1234", "new_password_confirm": "password1234"}
    assert _post(client, "/staff/password", **weak) == 422
    good = {"password": PASSWORD, "new_password": new, "new_password_confirm": new}
    assert _post(client, "/staff/password", **good | {"new_password_confirm": "x"}) == 422
    assert _post(client, "/staff/password", **good) == 303
    assert client.get("/staff/").status_code == 200
    assert other.get("/staff/").status_code == 303
    assert sign_in(other).status_code == 422
    assert sign_in(other, password=new).status_code == 303


def test_who_came_by_link_can_choose_a_password(client: FlaskClient, add: Add, link: Callable[[int], str]) -> None:
    path = link(add(password=None))
    client.post(path, data={"csrf_token": token(client.get(path))})
    page = client.get("/staff/password")
    assert 'name="password"' not in page.text
    new = "four other unlikely words"
    assert _post(client, "/staff/password", new_password=new, new_password_confirm=new) == 303
    assert sign_in(client.application.test_client(), password=new).status_code == 303
