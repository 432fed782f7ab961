"""Mail is taken from whoever brings it only when it is stored, and once."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import sqlalchemy.exc
from flask import Flask

from actionkit import db, jobs
from actionkit.replies import intake
from actionkit.replies.models import IncomingMail, IncomingSource, IncomingState
from config import SettingError
from tests.conftest import MakeApp, make_config
from tests.replies.mailbox_server import PASSWORD, MailboxServer
from tests.replies.samples import answer

pytestmark = pytest.mark.one_database

RAW = answer("bounces@sender.example")
OTHER = RAW.replace(b"answer-1", b"answer-2")


def stored(app: Flask) -> list[IncomingMail]:
    with app.app_context():
        return list(db.session.scalars(sa.select(IncomingMail).order_by(IncomingMail.id)))


def fetch(app: Flask) -> int:
    with app.app_context():
        return jobs.fetch_mail(app.extensions["delivery_worker"])


# ---------------------------------------------------------------- standard input


def receive(app: Flask, raw: bytes, *words: str) -> int:
    return app.test_cli_runner().invoke(args=["mail", "receive", *words], input=raw).exit_code


def test_what_a_mail_server_pipes_is_stored_once(app: Flask) -> None:
    assert receive(app, RAW) == 0
    assert receive(app, b"From x@example.org Tue Nov 24 10:00:00 2026\r\n" + RAW) == 0
    assert receive(app, RAW, "--recipient", "bounces+x@sender.example") == 0, "for somebody else it is another"
    first, second = stored(app)
    assert (first.raw, first.source, first.state, first.is_cut) == (RAW, IncomingSource.PIPE, IncomingState.NEW, False)
    assert second.recipient == "bounces+x@sender.example"
    assert receive(app, b" \r\n") == os.EX_DATAERR


def test_a_mail_server_keeps_what_we_cannot_store(
    app: Flask, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def away(*_args: Any) -> None:
        raise sqlalchemy.exc.OperationalError("INSERT", {"raw": "secret"}, Exception("away"))

    with monkeypatch.context() as patched:
        patched.setattr(db.session, "commit", away)
        result = app.test_cli_runner().invoke(args=["mail", "receive"], input=RAW)
    assert result.exit_code == os.EX_TEMPFAIL == 75
    assert "secret" not in result.output
    assert stored(app) == []
    with app.app_context():
        db.session.execute(sa.text("DROP TABLE incoming_mails"))
        db.session.commit()
    assert receive(app, RAW) == 75, "an upgrade is not done yet"


def test_what_is_too_large_is_cut(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_BYTES", 100)
    assert receive(app, b"Subject: x\r\n\r\n" + b"x" * 3_000_000) == 0
    (mail,) = stored(app)
    assert (mail.is_cut, len(mail.raw or b"")) == (True, 100)


# ---------------------------------------------------------------- maildir


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    return tmp_path / "Maildir"


def test_a_maildir_is_emptied_after_the_commit(make_app: MakeApp, maildir: Path, monkeypatch: Any) -> None:
    app = make_app(incoming_maildir=str(maildir))
    (maildir / "new" / "1.host").write_bytes(RAW)
    (maildir / "new" / "2.host").write_bytes(OTHER)
    commits: list[int] = []

    def commit_once() -> None:
        commits.append(1)
        if len(commits) == 2:
            raise sqlalchemy.exc.OperationalError("COMMIT", None, Exception("away"))
        real()

    real = db.session.commit
    monkeypatch.setattr(db.session, "commit", commit_once)
    with pytest.raises(sqlalchemy.exc.OperationalError):
        fetch(app)
    monkeypatch.undo()
    assert [file.name for file in (maildir / "new").iterdir()] == ["2.host"], "not stored, so not taken"
    assert [file.name for file in (maildir / "cur").iterdir()] == ["1.host:2,S"]
    (maildir / "new" / "3.host").write_bytes(RAW)  # as after a crash between commit and move
    assert fetch(app) == 1
    assert [mail.raw for mail in stored(app)] == [RAW, OTHER]
    assert list((maildir / "new").iterdir()) == []


def test_old_files_and_rows_are_deleted(make_app: MakeApp, maildir: Path) -> None:
    app = make_app(incoming_maildir=str(maildir), incoming_days="3")
    (maildir / "new" / "1.host").write_bytes(RAW)
    (maildir / "new" / "2.host").write_bytes(OTHER)
    fetch(app)
    four_days_ago = time.time() - 4 * 86_400
    os.utime(maildir / "cur" / "1.host:2,S", (four_days_ago, four_days_ago))
    with app.app_context():
        first = stored(app)[0].id
        old = sa.update(IncomingMail).where(IncomingMail.id == first)
        db.session.execute(old.values(received_at=db.now() - dt.timedelta(days=4)))
        db.session.commit()
        jobs.forget(app.extensions["delivery_worker"])
    assert [mail.raw for mail in stored(app)] == [OTHER], "handled or not: thirty days are thirty days"
    assert [file.name for file in (maildir / "cur").iterdir()] == ["2.host:2,S"]


def test_a_maildir_that_is_away_stops_nothing(make_app: MakeApp, tmp_path: Path) -> None:
    assert fetch(make_app(incoming_maildir=str(tmp_path / "nowhere"))) == 0


# ---------------------------------------------------------------- a mailbox at a provider


def imap_app(make_app: MakeApp, server: MailboxServer, password: str = PASSWORD) -> Flask:
    return make_app(
        incoming_imap_server="127.0.0.1",
        incoming_imap_port=str(server.port),
        incoming_imap_use_ssl="no",
        incoming_imap_username="us",
        incoming_imap_password=password,
        incoming_days="3",
    )


def test_a_mailbox_is_marked_after_the_commit(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    server = MailboxServer()
    with server.running():
        first, second = server.add(RAW), server.add(OTHER)
        app = imap_app(make_app, server)
        server.hangs_up_at = f"UID STORE {first}"
        assert fetch(app) == 1
        assert server.flags == {first: set(), second: set()}, "stored, and we could not say so"
        assert "mailbox away" in caplog.text
        server.hangs_up_at = ""
        assert fetch(app) == 1, "the first is there already"
        assert server.flags == {first: {"\\Seen"}, second: {"\\Seen"}}
        assert [(mail.raw, mail.source) for mail in stored(app)] == [
            (RAW, IncomingSource.IMAP),
            (OTHER, IncomingSource.IMAP),
        ]
        with app.app_context():
            jobs.forget(app.extensions["delivery_worker"])
        assert server.mails == {}
        (search,) = [command for command in server.asked if "BEFORE" in command]
        before = dt.datetime.strptime(search.rpartition(" ")[2], "%d-%b-%Y").date()
        assert before == db.now().date() - dt.timedelta(days=3)


def test_a_mailbox_that_refuses_us_stops_nothing(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    server = MailboxServer()
    with server.running():
        server.add(RAW)
        app = imap_app(make_app, server, password="wrong")
        assert fetch(app) == 0
    assert fetch(app) == 0, "nor does one that is gone"
    assert caplog.text.count("mailbox away") == 2
    assert "wrong" not in caplog.text


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize("address", ["Us <us@x.example>", "fifteen-letters@x.example", "a+b@x.example", "üs@x.example"])
def test_an_address_must_leave_room_for_the_tag(database_url: str, tmp_path: Path, address: str) -> None:
    with pytest.raises(SettingError, match="ACTIONKIT_MAIL_BOUNCE_ADDRESS"):
        make_config(tmp_path, mail_bounce_address=address)
