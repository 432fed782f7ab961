"""The trail cannot be changed by the way, and what is changed by force is found and named."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import sqlalchemy.exc
from flask import Flask

from actionkit import create_app, db, migrations
from actionkit.staff import audit, audit_chain
from actionkit.staff.models import AuditEntry, AuditHead
from tests.conftest import Postgres, make_config


@pytest.fixture(params=["sqlite", "postgresql"])
def trail(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """Two entries of the version before the chain, then an upgrade."""
    settings = {}
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        settings["database_url"] = server.url(server.create())
    app = create_app(make_config(tmp_path, **settings))
    with app.app_context():
        migrations.upgrade("0007")
        with app.extensions["database"]["writing"].begin() as connection:
            for action in ("sign-in", "print-letters"):
                connection.execute(
                    sa.text(
                        "INSERT INTO audit_entries (at, action, subject, detail) VALUES (:at, :action, 'a', :detail)"
                    ),
                    {"at": "2026-03-29 01:30:00.000000", "action": action, "detail": '{"é": 1, "b": [null, 2.5]}'},
                )
        migrations.upgrade()
    yield app
    db.close(app)


def faults(app: Flask) -> list[str]:
    with app.app_context():
        return audit_chain.faults()


def force(app: Flask, *statements: str) -> None:
    """What somebody can do who may do anything in the database, and has no key."""
    is_sqlite = app.config["ACTIONKIT"].is_sqlite
    triggers = ("no_update", "no_delete") if is_sqlite else ("no_change",)
    with app.extensions["database"]["writing"].begin() as connection:
        for name in triggers:
            where = "" if is_sqlite else " ON audit_entries"
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS audit_entries_{name}{where}")
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_many_writers_make_one_chain_and_the_database_refuses_changes(trail: Flask) -> None:
    def work(name: int) -> None:
        with trail.app_context():
            for number in range(4):
                # Rows that others want as well, locked in another order than the trail: no deadlock.
                db.session.execute(sa.text("UPDATE programs SET position = position WHERE slug = 'none'"))
                audit.record("recount", f"{name}", number=number)
                audit.record("recount", f"{name}", again=number)
                db.session.commit()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with trail.app_context():
        assert db.session.execute(sa.select(sa.func.count()).select_from(AuditEntry)).scalar_one() == 2 + 48
    assert faults(trail) == []
    changes = ["UPDATE audit_entries SET subject = 'x'", "DELETE FROM audit_entries WHERE id = 1"]
    if not trail.config["ACTIONKIT"].is_sqlite:
        changes.append("TRUNCATE audit_entries")
    for change in changes:
        with (
            pytest.raises(sqlalchemy.exc.DBAPIError, match="never changed"),
            trail.extensions["database"]["writing"].begin() as connection,
        ):
            connection.exec_driver_sql(change)
    assert faults(trail) == []


def test_what_is_changed_by_force_is_named(trail: Flask) -> None:
    with trail.app_context():
        for number in range(6):
            audit.record("recount", "a", number=number)
        db.session.commit()
    force(trail, "UPDATE audit_entries SET staff_member_id = NULL, action = 'nothing' WHERE id = 4")
    assert [fault.split(" of ")[0] for fault in faults(trail)] == ["entry 4"]
    force(trail, "DELETE FROM audit_entries WHERE id = 6")
    assert [fault.split(" of ")[0] for fault in faults(trail)] == ["entry 4", "entry 7"]
    answer = trail.test_cli_runner().invoke(args=["doctor"])
    assert answer.exit_code == 1
    assert "audit trail: entry 4 of 20" in answer.stdout
    force(trail, "DELETE FROM audit_entries WHERE id = 8")
    assert faults(trail)[-1] == "it ends with entry 7 where it should end with entry 8"
    force(trail, "INSERT INTO audit_entries (at, action, subject, detail) VALUES ('2026-01-01', 'x', 'x', '{}')")
    assert "does not follow" in faults(trail)[2]


def test_a_trail_written_anew_without_the_key_is_found(trail: Flask) -> None:
    force(trail, "DELETE FROM audit_entries WHERE id > 1")
    with trail.app_context():
        (entry,) = db.session.scalars(sa.select(AuditEntry)).all()
        head = db.session.scalars(sa.select(AuditHead)).one()
        head.entry_id, head.entry_hash = entry.id, entry.chain_hash
        db.session.commit()
    (fault,) = faults(trail)
    assert "without it" in fault
