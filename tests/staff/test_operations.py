"""Accounts, passwords and the trail."""

from __future__ import annotations

import datetime as dt
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from actionkit import db
from actionkit.staff import audit, operations, passwords
from actionkit.staff.models import AuditEntry, Grant, StaffMember, StaffRole
from tests.staff.conftest import PASSWORD, build, sign_in, token


def test_adding_twice_changes_nothing(app: Flask) -> None:
    with app.app_context():
        first = operations.add_staff("Ann@Example.org", StaffRole.CAMPAIGNER, PASSWORD, [1, 2])
        db.session.commit()
        session_key, stored = first.fs_uniquifier, first.password
        again = operations.add_staff("ann@example.org", StaffRole.CAMPAIGNER, PASSWORD, [2, 1])
        assert again is first
        assert (again.fs_uniquifier, again.password) == (session_key, stored)
        assert sorted(grant.campaign_id or 0 for grant in again.grants) == [1, 2]
        assert stored
        assert stored.startswith("$argon2id$")
        db.session.rollback()


def test_the_role_for_all_campaigns_is_there_once(app: Flask) -> None:
    with app.app_context():
        for _ in range(3):
            operations.add_staff("ann@example.org", StaffRole.ADMIN)
        assert db.session.scalar(sa.select(sa.func.count(Grant.id))) == 1
        db.session.rollback()
        assert db.session.scalar(sa.select(sa.func.count(StaffMember.id))) == 0  # never commits


def test_a_new_role_is_added(app: Flask) -> None:
    with app.app_context():
        member = operations.add_staff("ann@example.org", StaffRole.VIEWER)
        operations.add_staff("ann@example.org", StaffRole.CAMPAIGNER, campaign_ids=[1])
        assert {grant.role for grant in member.grants} == {"viewer", "campaigner"}


def test_the_last_administrator_stays(app: Flask) -> None:
    with app.app_context():
        ann = operations.add_staff("ann@example.org", StaffRole.ADMIN)
        ben = operations.add_staff("ben@example.org", StaffRole.ADMIN)
        operations.deactivate(ben)
        for leave in (operations.deactivate, lambda member: operations.revoke(member, StaffRole.ADMIN)):
            with pytest.raises(operations.LastAdmin):
                leave(ann)
        operations.reactivate(ben)
        operations.revoke(ann, StaffRole.ADMIN)
        assert ann.grants == []


def test_adding_opens_a_closed_account(app: Flask) -> None:
    with app.app_context():
        member = operations.add_staff("ann@example.org", StaffRole.VIEWER)
        operations.deactivate(member)
        assert not member.active
        assert operations.add_staff("ann@example.org", StaffRole.VIEWER).active


def test_an_administrator_is_one_everywhere(app: Flask) -> None:
    with app.app_context(), pytest.raises(operations.AdminOfOneCampaign):
        operations.add_staff("ann@example.org", StaffRole.ADMIN, campaign_ids=[1])


@pytest.mark.parametrize(
    "email", ["", "ann", "ann@", "a b@example.org", "ann@example.org\r\nx", "Ann <ann@example.org>"]
)
def test_addresses_are_checked(app: Flask, email: str) -> None:
    with app.app_context(), pytest.raises(operations.EmailInvalid):
        operations.add_staff(email, StaffRole.VIEWER)


@pytest.mark.parametrize(
    "password",
    [
        "password123",
        "x" * 7,
        "short",
        "password1234",
        "Password2024!",
        "P@ssw0rd1234",
        "passwordpassword",
        "123456789012",
        "1234567890123456",
        "qwertyuiop123",
        "Qwerty123456!",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "aaaaaaaaaaaa",
        "abababababab",
        "abcdefghijkl",
        "iloveyou1234",
        "Welcome12345",
        "Administrator1",
        "changeme2026",
        "ann@example.org",
        "\0nulls are not a password",
        "x" * 1001,
    ],
)
def test_passwords_that_are_refused(app: Flask, password: str) -> None:
    with app.app_context(), pytest.raises(operations.PasswordRefused) as refusal:
        operations.add_staff("ann@example.org", StaffRole.VIEWER, password)
    assert password not in str(refusal.value.description)


@pytest.mark.parametrize(
    "password",
    [
        "three unlikely words",
        "x" * 200,
        "w" * 100 + "ö" * 100,
        "🦊 fox in the snow 🦊",
        "🔑" * 12,
        "пароль из слов",
        "83-92*17^55#",
        "Tr0ub4dor&3xyz",
        "k2#jd8Qp!mz4",
        "रहस्य बहुत लंबा है",
    ],
)
def test_passwords_that_are_taken(app: Flask, password: str) -> None:
    with app.app_context():
        member = operations.add_staff("ann@example.org", StaffRole.VIEWER, password)
        assert member.verify_and_update_password(app.extensions["security"].password_util.normalize(password))
        assert not member.verify_and_update_password(password + "x")


def test_length_is_counted_in_characters_as_typed(app: Flask) -> None:
    with app.app_context():
        assert passwords.faults("ééééàà")  # six, however they are composed
        assert passwords.faults("e\u0301" * 6)


def test_the_trail_is_stored_with_its_transaction(app: Flask) -> None:
    with app.app_context():
        audit.record("recount", "another")
        db.session.rollback()
        entry = audit.record("recount", "a-campaign", differences=0)
        assert db.session.scalar(sa.select(AuditEntry.id)) is None
        db.session.commit()
        assert db.session.scalars(sa.select(AuditEntry)).all() == [entry]
        assert (entry.staff_member_id, entry.at.tzinfo, entry.detail) == (None, dt.UTC, {"differences": 0})
        entry.subject = "another"
        with pytest.raises(TypeError):
            db.session.flush()
        db.session.rollback()


def test_without_its_client_redis_is_not_needed_to_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    build(tmp_path, broker_url="redis://127.0.0.1:1/0")
    assert importlib.util.find_spec("redis") or "'redis' is not installed" in caplog.text


def test_the_commands_of_flask_security_are_off(app: Flask) -> None:
    assert set(app.cli.commands) == set()


def test_the_same_on_postgresql(tmp_path: Path, postgres: Any) -> None:
    app = build(tmp_path, database_url=postgres.url(postgres.create()))
    with app.app_context():
        for _ in range(2):
            operations.add_staff("ann@example.org", StaffRole.ADMIN, PASSWORD)
            member = operations.add_staff("ann@example.org", StaffRole.VIEWER, campaign_ids=[1, 2])
        assert db.session.scalar(sa.select(sa.func.count(Grant.id))) == 3
        path = operations.new_sign_in_link(member)
        db.session.commit()
    client = app.test_client()
    assert sign_in(client).status_code == 303
    page = client.get(path)
    assert client.post(path, data={"csrf_token": token(page)}).status_code == 303
    assert client.get(path).status_code == 410
    assert client.get("/staff/").status_code == 200
    db.close(app)
