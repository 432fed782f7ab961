"""Staff and supporters print letters: whose, with what right, and in the words of the mail."""

from __future__ import annotations

import io

import pypdf
import pytest

from actionkit import db, jobs
from actionkit.campaigns.models import Official
from actionkit.delivery.models import Outgoing
from actionkit.delivery.renderers import Item
from actionkit.exports import letters_pdf
from actionkit.letters import printing
from actionkit.signing.models import Signature, Submission
from actionkit.staff.models import AuditEntry, StaffRole
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, csrf_token, sign_in, site

pytestmark = pytest.mark.one_database

__all__ = ["sign_in", "site"]

PAGE = f"/staff/campaigns/{ITALY}/print"


def texts(data: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]


def mail_of(site: Site, letter: Outgoing) -> str:
    with site.app.app_context():
        db.reading()
        item = Item(
            **{name: getattr(letter, name) for name in Item.__dataclass_fields__} | {"first_tried_at": db.now()}
        )
        return jobs.RENDERERS[letter.kind](item).text


def letter_to(site: Site, submission: Submission, official: str) -> Outgoing:
    (found,) = site.stored(Official, Official.slug == official)
    return site.one(
        Outgoing, Outgoing.recipient_key == f"official:{found.id}", Outgoing.subject_id == submission.signature_id
    )


def test_a_volume_holds_the_confirmed_letters_and_no_others(
    site: Site, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters_pdf, "VOLUME", 2)
    confirmed = [site.confirmed(name=f"Ann {n}", comment=f"Reason {n} *x* #evil(1)") for n in "123"]
    site.signed(name="Pending Person")
    gone = site.confirmed(name="Withdrawn Person")
    signature = site.one(Signature, Signature.id == gone.signature_id)
    assert site.client.post(site.withdraw_path(signature)).status_code == 200

    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    page = client.get(PAGE, query_string={"official": "it-water"}).text
    assert "Letters 1 to 2 (PDF)" in page
    assert "Letter 3 (PDF)" in page
    form = {"csrf_token": csrf_token(client), "official": "it-water"}
    first = client.post(PAGE, data=form | {"after": "0"})
    assert (first.status_code, first.mimetype) == (200, "application/pdf")
    assert "no-store" in first.headers["Cache-Control"]
    second = client.post(PAGE, data=form | {"after": str(confirmed[1].signature_id)})

    sheets = texts(first.data) + texts(second.data)
    assert len(sheets) == 3
    for submission, sheet in zip(confirmed, sheets, strict=True):
        words = mail_of(site, letter_to(site, submission, "it-water")).split()
        assert " ".join(words) in " ".join(sheet.split())
        assert "Via Acqua 1" in sheet
    assert client.post(PAGE, data=form | {"after": "999999"}).status_code == 409

    kept = site.stored(AuditEntry, AuditEntry.action == "print-letters")
    assert [entry.detail["letters"] for entry in kept] == [2, 1]
    assert "Ann" not in repr([entry.detail for entry in kept])


def test_volumes_go_on_on_the_next_page(site: Site, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters_pdf, "VOLUME", 1)
    monkeypatch.setattr(letters_pdf, "VOLUMES_LISTED", 2)
    people = [site.confirmed() for _n in range(3)]
    client = sign_in(StaffRole.ADMIN)
    asked = {"official": "it-water"}
    assert f"after={people[1].signature_id}&amp;first=3" in client.get(PAGE, query_string=asked).text
    rest = client.get(PAGE, query_string=asked | {"after": people[1].signature_id, "first": 3}).text
    assert "Letter 3 (PDF)" in rest
    assert "Letter 1 (PDF)" not in rest


def test_one_letter_is_printed_from_its_page(site: Site, sign_in: SignIn) -> None:
    submission = site.confirmed(name="Ann Example")
    row = letter_to(site, submission, "it-health")
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    path = f"/staff/campaigns/{ITALY}/letters/{row.public_id}"
    assert f'action="{path}/print"' in client.get(path).text
    answer = client.post(f"{path}/print", data={"csrf_token": csrf_token(client)})
    (sheet,) = texts(answer.data)
    assert " ".join(mail_of(site, row).split()) in " ".join(sheet.split())
    assert site.one(AuditEntry, AuditEntry.action == "print-letter").detail == {"letter": row.public_id}

    site.change(Signature, Signature.id == submission.signature_id, state="held")
    assert client.post(f"{path}/print", data={"csrf_token": csrf_token(client)}).status_code == 409


def test_who_may_not_take_signatures_out_prints_nothing(site: Site, sign_in: SignIn) -> None:
    site.confirmed()
    client = sign_in(StaffRole.VIEWER, ITALY)
    assert client.get(PAGE).status_code == 403
    form = {"csrf_token": csrf_token(client), "official": "it-water", "after": "0"}
    assert client.post(PAGE, data=form).status_code == 403
    assert site.stored(AuditEntry, AuditEntry.action == "print-letters") == []


def test_a_supporter_prints_her_own_letters_once_they_count(site: Site) -> None:
    submission = site.signed(name="Ann Example", lang="it")
    path = site.confirm_path(submission)
    assert site.client.get(f"{path}/letters.pdf").status_code == 404
    assert "letters.pdf" in site.client.post(path).text
    answer = site.client.get(f"{path}/letters.pdf")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.headers["Cache-Control"] == "no-store"
    sheets = texts(answer.data)
    letters = [letter_to(site, submission, official) for official in ("it-water", "it-health", "it-towns")]
    assert len(sheets) == len(letters)
    for row, sheet in zip(letters, sheets, strict=True):
        assert " ".join(mail_of(site, row).split()) in " ".join(sheet.split())
    assert site.client.get(f"/confirm/{'x' * 40}/letters.pdf").status_code == 404


def test_who_comes_while_others_print_is_asked_to_come_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actionkit.signing.own_letters_views.PATIENCE_SECONDS", 0.01)
    path = site.confirm_path(site.confirmed())
    with printing._one_at_a_time:
        answer = site.client.get(f"{path}/letters.pdf")
    assert answer.status_code == 503
