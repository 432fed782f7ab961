"""The schema that migrations make is the one that the models say, on both databases."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask

from actionkit import create_app, db, migrations
from actionkit.db import Base
from actionkit.schema import TABLES
from tests.conftest import MakeApp, Postgres, make_config

VERSIONS = Path(__file__).parents[2] / "migrations" / "versions"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An application on a database that holds nothing."""
    settings = {}
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        settings["database_url"] = server.url(server.create())
    app = create_app(make_config(tmp_path / "empty", **settings))
    yield app
    db.close(app)


def differences(app: Flask) -> list[object]:
    with app.extensions["database"]["writing"].connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))


def names(app: Flask) -> dict[str, set[str]]:
    """Table → columns, as the database has them."""
    found = sa.inspect(app.extensions["database"]["writing"])
    return {t: {c["name"] for c in found.get_columns(t)} for t in found.get_table_names() if t != "alembic_version"}


def test_migrations_give_the_schema_of_the_models(empty: Flask) -> None:
    with empty.app_context():
        before, now = migrations.upgrade()
    assert (before, now) == (None, migrations.newest())
    assert differences(empty) == []
    assert names(empty) == {t.name: {c.name for c in t.columns} for t in TABLES.values()}


def test_unique_keys_are_there(empty: Flask) -> None:
    """compare_metadata looks at them on PostgreSQL only; what the races need must be in both."""
    with empty.app_context():
        migrations.upgrade()
    found = sa.inspect(empty.extensions["database"]["writing"])
    for table, columns in {
        "signatures": {"campaign_id", "canonical_email"},
        "outgoing": {"kind", "subject_id", "recipient_key"},
        "campaigns": {"slug"},
        "submissions": {"public_id"},
    }.items():
        keys = [set(key["column_names"]) for key in found.get_unique_constraints(table)]
        assert columns in keys, f"{table} has no unique key on {columns}"


def test_upgrading_twice_is_harmless(empty: Flask) -> None:
    runner = empty.test_cli_runner()
    first, second = runner.invoke(args=["db", "upgrade"]), runner.invoke(args=["db", "upgrade"])
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert first.stdout == f"database upgraded from nothing to {migrations.newest()}\n"
    assert second.stdout == f"database is at {migrations.newest()}\n"
    assert differences(empty) == []


def test_upgrading_a_used_database_keeps_its_rows(make_app: MakeApp) -> None:
    app = make_app()
    counted = sa.select(sa.func.count()).select_from(TABLES["campaigns"])
    with app.app_context():
        engine = app.extensions["database"]["writing"]
        with engine.connect() as connection:
            before = connection.execute(counted).scalar_one()
        migrations.upgrade()
        with engine.connect() as connection:
            assert connection.execute(counted).scalar_one() == before > 0


def test_signatures_of_the_first_version_survive(empty: Flask) -> None:
    """0002 makes `signatures` anew on SQLite: what points to it must not go with the old table."""
    engine = empty.extensions["database"]["writing"]
    with empty.app_context():
        migrations.upgrade("0001")
        with engine.begin() as connection:
            for statement in _FIRST_ROWS.strip().split(";\n"):
                connection.exec_driver_sql(statement)
        migrations.upgrade()
    with engine.connect() as connection:
        stored = connection.exec_driver_sql(
            "SELECT s.canonical_email, s.state, s.reminders, u.name, u.network "
            "FROM signatures s JOIN submissions u ON u.signature_id = s.id"
        ).all()
        partial = "SELECT count(*) FROM {}".format(
            "sqlite_master WHERE name = 'ix_signatures_public' AND sql LIKE '%WHERE is_name_public%'"
            if engine.dialect.name == "sqlite"
            else "pg_indexes WHERE indexname = 'ix_signatures_public' AND indexdef LIKE '%WHERE is_name_public%'"
        )
        assert connection.exec_driver_sql(partial.replace("%", "%%")).scalar_one() == 1
        days = connection.execute(sa.select(TABLES["count_days"]).order_by("measure")).all()
    assert stored == [("ann@example.org", "confirmed", 0, "Ann", "")]
    day = dt.date(2026, 1, 1)
    parts = [("country", "IT"), ("language", "en"), ("signed", ""), ("source", "web")]
    both = [(name, value) for measure, value in parts for name in (measure, f"{measure}-m")]
    assert days == [(measure, 1, day, value, 1) for measure, value in both], "what is there is counted by day"
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


_FIRST_ROWS = """
INSERT INTO programs (slug, title, quotation, quotation_source, language, position, body)
  VALUES ('p', 'P', '', '', 'en', 0, '');
INSERT INTO campaigns (slug, program_id, country, state, goal, timezone, language, letters, is_letter_editable,
  reply_to, created_at) VALUES ('c', 1, 'IT', 'open', 0, 'UTC', 'en', 'none', false, 'none', '2026-01-01 00:00:00');
INSERT INTO consent_wordings (purpose, language, version, content_hash, text, created_at)
  VALUES ('sign', 'en', 1, 'x', 'I agree', '2026-01-01 00:00:00');
INSERT INTO signatures (public_id, campaign_id, canonical_email, state, state_reason, submission_id, signed_at,
  confirmed_at, is_name_public)
  VALUES ('a', 1, 'ann@example.org', 'confirmed', '', 1, '2026-01-01 00:00:00', '2026-01-01 00:00:00', true);
INSERT INTO submissions (public_id, signature_id, created_at, name, email, country, postcode, comment, letter,
  show_name, updates, language, source, consent_wording_id)
  VALUES ('b', 1, '2026-01-01 00:00:00', 'Ann', 'ann@example.org', 'IT', '', '', '', true, false, 'en', 'web', 1)
"""


def test_files_are_numbered_without_a_gap() -> None:
    files = sorted(file.name for file in VERSIONS.glob("*.py"))
    assert files, "there is no migration"
    for number, name in enumerate(files, 1):
        assert re.fullmatch(rf"{number:04d}_[a-z0-9_]+\.py", name), f"{name} is not number {number:04d}"


def test_migrations_only_go_forward_in_one_line() -> None:
    for number, file in enumerate(sorted(VERSIONS.glob("*.py")), 1):
        text = file.read_text("utf-8")
        assert re.search(rf"^revision\b.*= ['\"]{number:04d}['\"]", text, re.MULTILINE), f"{file.name}: revision"
        before = "None" if number == 1 else rf"['\"]{number - 1:04d}['\"]"
        assert re.search(rf"^down_revision\b.*= {before}", text, re.MULTILINE), f"{file.name}: down_revision"
