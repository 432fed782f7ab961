"""Signatures from paper and other tools: nobody twice, nobody mailed, all of it counted, all of it undone."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from actionkit import db, jobs, tables
from actionkit.addresses import canonical
from actionkit.imports import importing
from actionkit.imports.models import ImportFile, SignatureImport
from actionkit.signing import counting, taking_out
from actionkit.signing.models import ConsentWording, CountBucket, Signature, Submission
from actionkit.staff.models import AuditEntry, StaffRole
from actionkit.upkeep import erasure
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, csrf_token, sign_in
from tests.structure.test_pages_structure import check

__all__ = ["sign_in"]

IMPORTS = f"/staff/campaigns/{ITALY}/imports"
PAPER = "Vorname;Nachname;E-Mail;PLZ;Land;Kommentar;Datum;Newsletter\r\n"
BASIS = {
    "basis": "paper",
    "wording": "I sign the petition; my name and address may be stored.",
    "updates_wording": "You may write to me.",
    "signed_on": "2026-03-01",
    "language": "en",
    "country": "IT",
}
only_sqlite = pytest.mark.one_database


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


def post(client: FlaskClient, path: str, **form: object) -> TestResponse:
    return client.post(path, data={"csrf_token": csrf_token(client), **form})


def send(client: FlaskClient, text: str | bytes, encoding: str = "utf-8") -> TestResponse:
    raw = text.encode(encoding) if isinstance(text, str) else text
    return post(client, IMPORTS, file=(io.BytesIO(raw), "sheet 7.csv"))


def guessed(page: str) -> dict[str, str]:
    """The fields of the columns as the page proposes them."""
    selects = re.findall(r'<select id="(column-\d+)".*?</select>', page, re.DOTALL)
    parts = re.split(r'<select id="column-\d+"', page)[1:]
    chosen = [re.search(r'value="(\w*)" selected', part.split("</select>")[0]) for part in parts]
    return {name: found[1] if found else "" for name, found in zip(selects, chosen, strict=True)}


def checked(site: Site, client: FlaskClient, text: str, **more: object) -> str:
    """The path of an import whose file was sent, described and checked."""
    path = send(client, text).location
    answer = post(client, f"{path}/check", **guessed(client.get(path).text), **BASIS, **more)
    assert answer.status_code == 303, answer.text
    work(site)
    return path


def work(site: Site) -> int:
    with site.app.app_context():
        return jobs.import_signatures(site.app.extensions["delivery_worker"])


def counted(site: Site) -> int:
    """The total, after a recount found that it and the buckets are right."""
    with site.app.app_context():
        jobs.count(site.app.extensions["delivery_worker"])
        assert counting.recount(ITALY) == []
        db.session.commit()
    return site.total()


def paper(number: int, first: int = 0) -> str:
    rows = (
        f"Ann;Nr {n};P{n}@Example.org;0018{n % 10};Italien;;1.3.2026;{'ja' if n % 2 else ''}"
        for n in range(first, first + number)
    )
    return PAPER + "\r\n".join(rows) + "\r\n"


def test_a_sheet_of_paper_is_described_checked_counted_and_taken_out(site: Site, sign_in: SignIn) -> None:
    site.confirmed(email="p0@example.org", name="Online")
    before = counted(site)
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    rows = paper(4) + "Bo;Ek;no address;;Italy;;;\r\n=cmd;X;x@example.org;;IT;;;\r\nAnn;Again;P2@example.org;;IT;;;\r\n"
    path = send(client, rows, "cp1252").location
    page = client.get(path).text
    check(client.get(path))
    assert list(guessed(page).values()) == [
        *("first_name", "last_name", "email", "postcode", "country", "comment", "signed_on", "updates")
    ]
    refused = post(client, f"{path}/check", **guessed(page))
    assert refused.status_code == 422
    assert "on what basis" in refused.text
    post(client, f"{path}/check", **guessed(page), **BASIS, counts="y")
    work(site)
    page = client.get(path).text
    assert "3 signatures can be imported" in page
    assert "2 have signed this campaign already" in page
    faults = list(csv.DictReader(io.StringIO(client.get(f"{path}/faults.csv").text)))
    assert [(fault["row"], fault["column"]) for fault in faults] == [
        ("6", "E-mail address"),
        ("7", "Name"),
        ("8", "E-mail address"),
    ]
    assert len(site.stored(Signature)) == 1, "nothing is stored before somebody says so"

    assert post(client, f"{path}/start").status_code == 303
    assert post(client, f"{path}/start").status_code == 303  # twice is once
    work(site)
    assert "3 signatures are imported" in client.get(path).text
    assert counted(site) == before + 3
    assert site.stored(ImportFile) == []
    imported = site.stored(Submission, Submission.source == "import")
    assert [(one.name, one.email, one.postcode, one.updates) for one in imported] == [
        ("Ann Nr 1", "P1@example.org", "00181", True),
        ("Ann Nr 2", "P2@example.org", "00182", False),
        ("Ann Nr 3", "P3@example.org", "00183", True),
    ]
    (words,) = site.stored(ConsentWording, ConsentWording.id == imported[0].consent_wording_id)
    assert words.text.startswith("Signed on paper on 2026-03-01")
    assert words.text.endswith(BASIS["wording"])
    assert {one.updates_wording_id is None for one in imported if not one.updates} == {True}
    signature = site.one(Signature, Signature.id == imported[0].signature_id)
    assert (signature.state, signature.signed_at.date()) == ("confirmed", dt.date(2026, 3, 1))
    assert site.letters()[0].subject_id == site.stored(Signature)[0].id, "no letter in their names"
    assert len(site.letters()) == len({letter.recipient_key for letter in site.letters()})
    site.drain()
    assert not [mail for n in (1, 2, 3) for mail in site.sent_to(f"P{n}@example.org")], "nobody is mailed"

    # Of the three one signs here too, and one is taken out by staff: these stay as they are.
    site.sign(email="p1@example.org")
    with site.app.app_context():
        taking_out.take_out([imported[1].signature_id], counting.BY_STAFF)
        db.session.commit()
    post(client, f"{path}/undo")
    work(site)
    page = client.get(path).text
    assert "1 imported signature is taken out again" in page
    assert "2 stay" in page
    assert counted(site) == before + 1
    assert "p3@example.org" not in {one.canonical_email for one in site.stored(Signature)}
    assert sum(bucket.signatures for bucket in site.stored(CountBucket)) == before + 1
    trail = {entry.action: entry.detail for entry in site.stored(AuditEntry)}
    assert (trail["import-done"]["imported"], trail["import-undone"]["undone"]) == (3, 1)
    assert trail["start-import"]["counts"] is True
    assert "@" not in str(trail)


def test_killed_midway_and_run_again_stores_nobody_twice(
    site: Site, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    client = sign_in(StaffRole.ADMIN)
    path = checked(site, client, paper(95), counts="y")
    post(client, f"{path}/start")
    with site.app.app_context():  # a worker that dies in its fourth batch, and one that looked at the same
        db.reading()
        batches = importing.batches()
        for n, batch in enumerate(batches):
            db.writing()
            assert importing.work_off(batch)
            if n == 3:
                db.session.rollback()
                break
            db.session.commit()
            db.writing()
            assert not importing.work_off(batch), "another worker does the same batch"
            db.session.rollback()
            db.reading()
    assert len(site.stored(Signature)) == 30
    work(site)
    found = site.one(SignatureImport)
    assert (found.state, found.imported, len(site.stored(Signature))) == ("done", 95, 95)
    assert counted(site) == 95

    again = checked(site, client, paper(100), counts="y")
    post(client, f"{again}/start")
    work(site)
    assert len(site.stored(Signature)) == counted(site) == 100
    post(client, f"{path}/undo")
    work(site)
    assert [one.canonical_email for one in site.stored(Signature)] == [f"p{n}@example.org" for n in range(95, 100)]
    assert counted(site) == 5


@only_sqlite
def test_without_a_basis_they_are_held_and_never_asked(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    path = checked(site, client, paper(2))
    post(client, f"{path}/start")
    work(site)
    states = {(one.state, one.state_reason) for one in site.stored(Signature)}
    assert states == {("held", importing.NOT_COUNTED)}
    assert counted(site) == 0
    first = site.stored(Signature)[0]
    post(client, f"/staff/campaigns/{ITALY}/signatures/{first.public_id}/release")
    assert site.stored(Signature)[0].state == "held"
    assert site.confirmations() == []


@only_sqlite
def test_letters_leave_only_where_staff_say_so(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    path = checked(site, client, paper(2), counts="y", letters="y")
    post(client, f"{path}/start")
    work(site)
    assert {letter.subject_id for letter in site.letters()} == {one.id for one in site.stored(Signature)}
    site.drain()
    assert {letter.state for letter in site.letters()} == {"sent"}
    post(client, f"{path}/undo")
    work(site)
    assert len(site.stored(Signature)) == 2, "officials have their letters"
    refused = send(client, paper(1)).location
    form = {**guessed(client.get(refused).text), **BASIS, "letters": "y"}
    assert post(client, f"{refused}/check", **form).status_code == 422


@only_sqlite
def test_a_file_goes_when_it_is_let_go_when_it_is_old_and_when_somebody_is_erased(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    ways = []
    for _ in range(3):
        ways.append(checked(site, client, paper(3), counts="y"))
    assert len(site.stored(ImportFile)) == 3
    post(client, f"{ways[0]}/discard")
    assert len(site.stored(ImportFile)) == 2
    latest = site.stored(SignatureImport)[-1].id
    site.change(SignatureImport, SignatureImport.id != latest, created_at=db.now() - importing.KEPT_FOR)
    with site.app.app_context():
        jobs.forget(site.app.extensions["delivery_worker"])
    assert [file.import_id for file in site.stored(ImportFile)] == [latest]
    post(client, f"{ways[2]}/start")
    with site.app.app_context():
        erasure.erase(canonical("p1@example.org"))
        db.session.commit()
    assert work(site) == 0
    assert site.stored(ImportFile) == site.stored(Signature) == []
    assert site.stored(SignatureImport)[-1].state == "stopped"


@only_sqlite
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "choose a file|empty"),
        (b"PK\x03\x04rest", "no text"),
        (b'name,email\r\n"Ann,a@example.org\r\n', "never closed"),
        (b"name,email\r\n", "no row below"),
    ],
)
def test_what_is_no_table_is_refused_in_words(site: Site, sign_in: SignIn, raw: bytes, said: str) -> None:
    answer = send(sign_in(StaffRole.ADMIN), raw)
    assert answer.status_code == 422
    assert re.search(said, answer.text)
    assert site.stored(SignatureImport) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_common_spellings_are_one_table(encoding: str, delimiter: str) -> None:
    lines = [["Name", "E-Mail"], ["Zoë Ångström", "z@example.org"], ['"Quo""ted, one"', "q@example.org"], ["", ""]]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    table = tables.read(text.encode(encoding))
    assert table.header == ("Name", "E-Mail")
    assert list(table.rows()) == [(2, ["Zoë Ångström", "z@example.org"]), (3, ['Quo"ted, one', "q@example.org"])]


@only_sqlite
def test_the_database_says_nothing_of_the_file_in_its_faults(site: Site, sign_in: SignIn) -> None:
    checked(site, sign_in(StaffRole.ADMIN), PAPER + "Bo;Secretname;not an address;;IT;;;\r\n")
    with site.app.app_context():
        stored = db.session.execute(sa.text("SELECT * FROM import_faults")).all()
    assert [tuple(row)[1:] for row in stored] == [(2, "email", "no-address")]
