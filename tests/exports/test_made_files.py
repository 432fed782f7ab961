"""Files that a job makes: whole or not there, for whoever asked, for a day, and never with somebody who was erased."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from actionkit import db, jobs
from actionkit.addresses import canonical
from actionkit.exports import made_files
from actionkit.exports.models import Export, ExportState
from actionkit.staff.models import AuditEntry, StaffRole
from actionkit.upkeep import erasure
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, csrf_token, sign_in

__all__ = ["sign_in"]

FILES = f"/staff/campaigns/{ITALY}/files"
both = pytest.mark.usefixtures("database_url")
only_sqlite = pytest.mark.one_database


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


def post(client: FlaskClient, path: str, **form: object) -> TestResponse:
    return client.post(path, data={"csrf_token": csrf_token(client), **form})


def ask(client: FlaskClient, **form: object) -> str:
    """The path of a file that is asked for."""
    chosen = {"state": "confirmed", "columns": ["signature_id", "name", "postcode", "comment"], **form}
    answer = post(client, FILES, **chosen)
    assert answer.status_code == 303, answer.text
    return answer.location


def make(site: Site) -> int:
    with site.app.app_context():
        return jobs.make_files(site.app.extensions["delivery_worker"])


def on_disk(site: Site) -> list[Path]:
    folder = site.app.config["ACTIONKIT"].instance / "exports"
    return sorted(folder.iterdir()) if folder.exists() else []


@both
def test_a_file_is_asked_for_made_counted_and_fetched(site: Site, sign_in: SignIn) -> None:
    site.confirmed(name="Ada", postcode="00184", comment="=1+1", country="IT")
    site.confirmed(name="Bo, née Ek", postcode="01067", comment='she said "no"\nand left', country="DE")
    site.signed(name="Not yet")
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    path = ask(client, gz="y", bom="y")
    assert "It waits for the worker" in client.get(path).text
    assert make(site) == 1
    page = client.get(path).text
    assert "The file is ready: 2 rows" in page
    (file,) = on_disk(site)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    answer = post(client, f"{path}/download")
    assert answer.headers["Content-Disposition"] == f"attachment; filename={ITALY}-confirmed.csv.gz"
    text = gzip.decompress(answer.data).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [[row["name"], row["postcode"], row["comment"]] for row in rows] == [
        ["Ada", "00184", "'=1+1"],
        ["Bo, née Ek", "01067", 'she said "no"\nand left'],
    ]
    assert list(rows[0]) == ["signature_id", "name", "postcode", "comment"]
    trail = {entry.action: entry.detail for entry in site.stored(AuditEntry)}
    assert trail["export-made"]["rows"] == trail["download-export"]["rows"] == 2

    narrow = ask(client, country="DE", columns=["name"], signed_from="2020-01-01", signed_to=f"{db.now():%Y-%m-%d}")
    make(site)
    assert post(client, f"{narrow}/download").text == 'name\r\n"Bo, née Ek"\r\n'
    letters = post(client, FILES, contents="letters").location
    make(site)
    told = post(client, f"{letters}/download").text
    assert told.count("\r\n") == 1 + len(site.letters())
    assert "@" not in told


@only_sqlite
def test_a_file_belongs_to_whoever_asked_for_a_day(site: Site, sign_in: SignIn) -> None:
    site.confirmed()
    client, admin = sign_in(StaffRole.CAMPAIGNER, ITALY), sign_in(StaffRole.ADMIN)
    path = ask(client)
    make(site)
    assert admin.get(path).status_code == post(admin, f"{path}/download").status_code == 404
    assert post(sign_in(StaffRole.VIEWER, ITALY), f"{path}/download").status_code == 403
    site.change(Export, expires_at=db.now() - dt.timedelta(seconds=1))
    assert post(client, f"{path}/download").status_code == 303
    assert len(on_disk(site)) == 1
    make(site)
    assert on_disk(site) == []
    assert "no longer there" in client.get(path).text


@both
def test_a_file_dies_at_the_erasure_of_anyone_in_its_campaign(site: Site, sign_in: SignIn) -> None:
    site.confirmed(email="ann@example.org", name="Ann Gone")
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    done = ask(client)
    make(site)
    with site.app.app_context():
        erasure.erase(canonical("ann@example.org"))
        db.session.commit()
    assert on_disk(site) == []
    assert post(client, f"{done}/download").status_code == 303

    # One that is half written when somebody is erased is made anew, without her.
    site.confirmed(email="bo@example.org", name="Bo Gone")
    ask(client)
    with site.app.app_context():
        claimed = made_files.claim()
        assert claimed is not None
        db.session.commit()
        steps = made_files.write(claimed)
        progress = next(steps)
        erasure.erase(canonical("bo@example.org"))
        db.session.commit()
        assert not made_files.went_on(claimed, progress)
        progress = list(steps)[-1]
        assert not made_files.done(claimed, progress)
        db.session.commit()
        assert on_disk(site) == []
    make(site)
    (file,) = on_disk(site)
    assert b"Gone" not in file.read_bytes()


@only_sqlite
def test_a_dead_workers_file_is_made_by_another_and_not_for_ever(site: Site, sign_in: SignIn) -> None:
    site.confirmed()
    path = ask(sign_in(StaffRole.ADMIN))
    for _ in range(made_files.MOST_TRIES - 1):
        with site.app.app_context():
            claimed = made_files.claim()
            assert claimed is not None
            db.session.commit()
            half = made_files.write(claimed)
            next(half)
            assert claimed.draft in on_disk(site)
            leftover = claimed.draft.read_bytes()
            half.close()
            claimed.draft.write_bytes(leftover)  # killed, it leaves what it wrote
            assert made_files.claim() is None, "it is being made"
            db.session.rollback()
        site.change(Export, lease_until=db.now() - dt.timedelta(seconds=1))
    assert make(site) == 1
    export = site.one(Export)
    assert (export.state, export.rows, [file.name for file in on_disk(site)]) == (
        "done",
        1,
        [f"{export.public_id}.csv"],
    )
    site.change(Export, state=ExportState.MAKING, lease_until=db.now() - dt.timedelta(seconds=1))
    assert make(site) == 0
    assert site.one(Export).state == ExportState.FAILED
    assert on_disk(site) == []
    assert path


@only_sqlite
def test_a_full_disk_and_a_change_of_mind_leave_nothing(
    site: Site, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.confirmed()
    client = sign_in(StaffRole.ADMIN)
    path = ask(client)
    assert post(client, f"{path}/cancel").status_code == 303
    assert make(site) == 0
    assert "The file was cancelled" in client.get(path).text
    path = ask(client)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert make(site) == 0
    assert "could not be made" in client.get(path).text
    assert on_disk(site) == []


@both
def test_the_direct_download_takes_the_same_choices_and_counts_its_rows(site: Site, sign_in: SignIn) -> None:
    site.confirmed(name="Ada", country="IT")
    site.confirmed(name="Bo", country="DE")
    client = sign_in(StaffRole.ADMIN)
    base = f"/staff/campaigns/{ITALY}/signatures.csv"
    assert client.get(f"{base}?columns=name,country&country=de").text == "name,country\r\nBo,DE\r\n"
    packed = gzip.decompress(client.get(f"{base}.gz?columns=postcode&before=2020-01-01").data)
    assert packed == b"postcode\r\n"
    assert client.get(f"{base}?columns=postcode&bom=yes").data.startswith("\ufeff".encode())
    for wrong in ("columns=password", "country=Italy", "from=yesterday", "state=lost"):
        assert client.get(f"{base}?{wrong}").status_code == 400, wrong
    sent = [entry.detail["rows"] for entry in site.stored(AuditEntry) if entry.action == "export-signatures-sent"]
    assert sent == [1, 0, 2]
    letters = client.get(f"/staff/campaigns/{ITALY}/letters.csv").text
    assert re.fullmatch(r"letter_id,signature_id,official_id,official,.*\r\n", letters.splitlines(keepends=True)[0])
    assert letters.count("queued") == len(site.letters())


@both
def test_one_empty_cell_is_still_a_row(site: Site, sign_in: SignIn) -> None:
    site.confirmed(postcode="", comment="")
    answer = sign_in(StaffRole.ADMIN).get(f"/staff/campaigns/{ITALY}/signatures.csv?columns=comment")
    assert answer.data == b'comment\r\n""\r\n'
