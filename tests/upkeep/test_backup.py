"""`actionkit backup`: one moment of a database in use, whole, and for its owner's eyes."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from actionkit import db
from tests.conftest import MakeApp
from tests.signing.site import Site

DOCUMENT = Path(__file__).parents[2] / "docs" / "backup.md"


def back_up(site: Site, file: Path) -> tuple[int, str]:
    result = site.app.test_cli_runner().invoke(args=["backup", str(file)])
    return result.exit_code, result.output


@pytest.mark.one_database
def test_a_backup_is_whole_also_while_somebody_writes(site: Site, tmp_path: Path) -> None:
    site.signed(email="stored@example.org")
    target = tmp_path / "backups" / "one.db"
    target.parent.mkdir()
    target.write_text("of yesterday")
    with site.app.app_context():
        site.signed(email="later@example.org")
        db.writing()
        db.session.connection().exec_driver_sql("DELETE FROM submissions")  # not committed
        assert back_up(site, target)[0] == 0
        db.session.rollback()
    assert [file.name for file in target.parent.iterdir()] == ["one.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(target) as copy:
        emails = [row[0] for row in copy.execute("SELECT email FROM submissions")]
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
    assert emails == ["stored@example.org", "later@example.org"]


@pytest.mark.one_database
def test_a_backup_that_cannot_be_made_is_none(site: Site, tmp_path: Path) -> None:
    database = site.app.config["ACTIONKIT"].database_file
    for target in (database, tmp_path / "nowhere" / "x.db"):
        status, said = back_up(site, target)
        assert (status, said.startswith("actionkit: no backup was made: ")) == (1, True)
    assert not list(tmp_path.glob(".*.part"))
    assert site.sign().status_code == 303


@pytest.mark.one_database("postgresql")
def test_postgresql_has_its_own(site: Site, tmp_path: Path) -> None:
    status, said = back_up(site, tmp_path / "x")
    assert (status, "pg_dump" in said) == (1, True)


@pytest.mark.one_database
def test_the_document_names_commands_that_exist(make_app: MakeApp) -> None:
    """F33 runs those of a backup and a restore; here nobody mistyped the others."""
    runner = make_app().test_cli_runner()
    named = set(
        re.findall(r"\.venv/bin/actionkit ([a-z-]+)(?: (export|import|status|resume|upgrade))?", DOCUMENT.read_text())
    )
    assert {("backup", ""), ("erase-journal", "export"), ("sending", "resume")} <= named
    for words in sorted(named):
        assert runner.invoke(args=[*filter(None, words), "--help"]).exit_code == 0, words
