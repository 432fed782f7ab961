"""Whoever signs leaves no trace in a log line, and no error page says back what was sent."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import sqlalchemy.exc
from flask import Flask

from actionkit import db
from actionkit.delivery.models import Outgoing
from actionkit.logs import JsonLines
from actionkit.signing import operations
from actionkit.signing.models import Signature
from tests.conftest import MakeApp, sign_form
from tests.signing.site import ITALY, Site
from tests.sink import Sink

CANARY = "Canarina"
PERSON = {
    "name": f"{CANARY} Name",
    "email": f"{CANARY}@{CANARY}.example",
    "postcode": f"{CANARY} 1",
    "comment": f"{CANARY} comment",
    "letter": f"{CANARY} letter",
}
ADDRESS = "198.51.100.23"

only_sqlite = pytest.mark.one_database


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Every log line of everything, as production writes it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


def check(lines: io.StringIO, *more: str, least: int = 1) -> None:
    text = lines.getvalue()
    entries = [json.loads(line) for line in text.splitlines()]
    assert len(entries) >= least, "nothing was logged, so nothing is proven"
    for secret in (CANARY, ADDRESS, *more):
        found = [line for line in text.splitlines() if secret.lower() in line.lower()]
        assert found == [], f"{secret} stands in {len(found)} lines, such as {found[0] if found else ''}"


def go_all_the_way(site: Site) -> list[str]:
    """Sign, preview, be refused, confirm, withdraw, sign again, refuse; the tokens that were used."""
    client = site.client
    client.environ_base["REMOTE_ADDR"] = ADDRESS
    client.post(f"/campaigns/{ITALY}/preview", data=sign_form(**PERSON))
    site.sign(**{**PERSON, "country": CANARY})
    site.sign(**PERSON, website=CANARY)
    submission = site.signed(**PERSON)
    site.drain()
    (path,) = site.links()
    client.get(path)
    client.post(path)
    site.drain()
    withdraw = site.withdraw_path(site.one(Signature))
    client.get(withdraw)
    client.post(withdraw)
    client.get(f"/archive?program={CANARY}&lang={CANARY}")
    client.get(f"/{CANARY}/{CANARY}?{CANARY}={CANARY}", headers={"User-Agent": CANARY, "Referer": CANARY})
    client.get(f"/confirm/{CANARY}")
    client.post(f"/campaigns/{ITALY}/sign", data=PERSON["name"].encode() + b"=%ff", content_type="text/plain")
    client.open(f"/{CANARY}", method=CANARY.upper())
    site.ten_minutes_later()
    site.client.post(site.confirm_path(site.signed(**PERSON)), data={"decision": "refuse"})
    return [path.rsplit("/", 1)[1], withdraw.rsplit("/", 1)[1], submission.email]


def test_no_log_line_holds_a_person(site: Site, lines: io.StringIO) -> None:
    tokens = go_all_the_way(site)
    check(lines, *tokens, least=15)


def test_no_log_line_of_a_relay_in_trouble_holds_a_person(make_app: MakeApp, lines: io.StringIO) -> None:
    replies = iter(["550 5.1.1 no such user <{rcpt}>", "451 4.7.1 later {rcpt}", "554 5.7.1 {rcpt}"])

    def script(step: str, session: object) -> str | None:
        rcpt = getattr(session, "rcpt", "")
        return next(replies, "451 4.3.0 {rcpt}").format(rcpt=rcpt) if step in ("rcpt", "dot") else None

    with Sink(script=script).running() as sink:
        app = make_app(mail_server="127.0.0.1", mail_port=str(sink.port), mail_default_sender="us@sender.example")
        site = Site(app)
        for _ in range(3):
            site.signed(**{**PERSON, "email": f"{CANARY}-{_}@example.org"})
        site.drain()
        assert {mail.state for mail in site.stored(Outgoing)} & {"failed", "queued"}
    check(lines, least=4)


def broken(error: Exception) -> object:
    def sign(*_args: object, **_more: object) -> None:
        raise error

    return sign


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError(f"{CANARY} in a message"), 500),
        (sqlalchemy.exc.IntegrityError("INSERT", {"name": CANARY}, Exception(CANARY)), 500),
        (sqlalchemy.exc.OperationalError("INSERT", {"name": CANARY}, Exception(CANARY)), 503),
    ],
)
def test_a_fault_of_ours_quotes_nobody(
    app: Flask, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    site = Site(app)
    monkeypatch.setattr(operations, "sign", broken(error))
    answer = site.sign(**PERSON)
    assert answer.status_code == status
    assert CANARY not in answer.text
    assert "Traceback" not in answer.text
    assert type(error).__name__ not in answer.text
    assert (answer.headers.get("Retry-After") is not None) == (status == 503)
    check(lines)


def test_a_fault_is_named_by_an_id_that_the_log_has(
    site: Site, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "sign", broken(RuntimeError(CANARY)))
    answer = site.sign(**PERSON)
    entries = [json.loads(line) for line in lines.getvalue().splitlines()]
    (entry,) = [e for e in entries if e["event"] == "unexpected error"]
    assert entry["error_id"] in answer.text
    assert entry["cause"] == "RuntimeError"


@only_sqlite
@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/{CANARY}<script>", 404),
        (f"/campaigns/{CANARY}", 404),
        (f"/confirm/{CANARY}", 404),
        (f"/withdraw/{CANARY}", 404),
        (f"/updates/{CANARY}", 404),
        (f"/static/1/{CANARY}", 404),
        (f"/staff/link/{CANARY}", 404),
        (f"/.git/{CANARY}", 404),
    ],
)
def test_an_error_page_does_not_echo(site: Site, path: str, status: int) -> None:
    answer = site.client.get(f"{path}?{CANARY}={CANARY}")
    assert answer.status_code == status
    assert CANARY not in answer.text
    assert "werkzeug" not in answer.text.lower()


@only_sqlite
@pytest.mark.parametrize(
    "path", ["/console", "/debug", "/.git/config", "/.env", "/actionkit.db", "/wsgi.py", "/static/"]
)
def test_nothing_of_the_inside_is_served(site: Site, path: str) -> None:
    assert site.client.get(path).status_code == 404


def test_the_ledger_names_nobody(site: Site) -> None:
    site.confirmed(**PERSON)
    site.drain()
    with site.app.app_context():
        db.reading()
        rows = [repr(tuple(row)) for row in db.session.execute(Outgoing.__table__.select())]
    assert len(rows) == 4
    assert not [row for row in rows if CANARY.lower() in row.lower()], "mail rows hold ids, never text or address"
