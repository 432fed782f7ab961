"""What staff decide about letters, what it does to them, and what a supporter then reads of hers."""

from __future__ import annotations

import datetime as dt

import pytest
from flask import Flask

from actionkit import db
from actionkit.campaigns.models import Official
from actionkit.delivery import outbox, recipients
from actionkit.delivery.models import Outgoing, State
from actionkit.letters.models import LetterText
from actionkit.staff.models import AuditEntry, StaffRole
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, csrf_token, sign_in

__all__ = ["sign_in"]

LETTERS = f"/staff/campaigns/{ITALY}/letters"


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


def test_a_person_settles_a_letter_once(site: Site, sign_in: SignIn) -> None:
    site.confirmed()
    arrived, given_up, again = site.letters()
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    token = {"csrf_token": csrf_token(client)}

    def decide(letter: Outgoing, decision: str) -> str:
        assert client.post(f"{LETTERS}/{letter.public_id}/{decision}", data=token).status_code == 303
        return site.one(Outgoing, Outgoing.id == letter.id).state

    is_uncertain = {"state": State.UNCERTAIN, "lease_until": None}
    site.change(Outgoing, Outgoing.id == arrived.id, **is_uncertain)
    site.change(Outgoing, Outgoing.id == given_up.id, state=State.FROZEN)
    site.change(Outgoing, Outgoing.id == again.id, state=State.FAILED, ended_at=db.now())
    assert [button in client.get(f"{LETTERS}/{arrived.public_id}").text for button in ("It arrived", "Give up")] == [
        True,
        True,
    ]
    assert decide(arrived, "arrived") == State.SENT
    assert decide(arrived, "give-up") == State.SENT, "it is settled"
    assert decide(given_up, "arrived") == State.FROZEN, "it never left"
    assert decide(given_up, "give-up") == State.CANCELLED
    assert decide(again, "send-again") == State.QUEUED
    assert decide(again, "give-up") == State.QUEUED, "it is on its way"
    site.change(Outgoing, Outgoing.id == arrived.id, state=State.UNCERTAIN, lease_until=db.now() + dt.timedelta(1))
    assert decide(arrived, "arrived") == State.UNCERTAIN, "it is tried once more by itself"
    assert [entry.action for entry in site.stored(AuditEntry) if "letter" in entry.action] == [
        "letter-arrived",
        "letter-give-up",
        "send-letter-again",
    ]


def test_all_letters_are_stopped_and_taken_back(site: Site, sign_in: SignIn) -> None:
    site.confirmed()
    sent, *waiting = site.letters()
    site.change(Outgoing, Outgoing.id == sent.id, state=State.SENT, ended_at=db.now())
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    token = {"csrf_token": csrf_token(client)}
    assert f"{len(waiting)} letters will stop" in client.get(f"{LETTERS}/stop").text
    assert client.post(f"{LETTERS}/stop", data=token).status_code == 303
    site.drain()
    assert [row.state for row in site.letters()] == [State.SENT, *[State.CANCELLED] * len(waiting)]
    assert [mail for mail in site.mails() if mail["To"].addresses[0].domain != "example.org"] == []
    assert f"Queue {len(waiting)} cancelled letters again" in client.get(LETTERS).text
    assert client.post(f"{LETTERS}/undo-stop", data=token).status_code == 303
    site.drain()
    assert {row.state for row in site.letters()} == {State.SENT}
    counts = {e.action: e.detail["letters"] for e in site.stored(AuditEntry) if e.action.endswith("stop-letters")}
    assert counts == {"stop-letters": len(waiting), "undo-stop-letters": len(waiting)}


def test_a_new_address_lets_the_letters_of_an_official_leave(site: Site, sign_in: SignIn) -> None:
    site.confirmed()
    held, *_others = site.letters()
    official = site.one(Official, Official.id == int(held.recipient_key.removeprefix("official:")))
    with site.app.app_context():
        recipients.suspend(held.recipient_key, "550 5.1.1 no such user")
        db.session.commit()
    site.drain()
    assert site.one(Outgoing, Outgoing.id == held.id).state == State.HELD
    client = sign_in(StaffRole.ADMIN)
    form, path = {"csrf_token": csrf_token(client)}, f"/staff/delivery/officials/{official.slug}"
    assert "no such user" in client.get("/staff/delivery").text
    assert client.post(path, data=form | {"email": "not an address"}).status_code == 422
    assert site.one(Official, Official.id == official.id).email == official.email
    assert client.post(path, data=form | {"email": " New@Office.example "}).status_code == 303
    site.drain()
    assert site.one(Outgoing, Outgoing.id == held.id).state == State.SENT
    assert len(site.sent_to("New@office.example")) == 1
    assert "no such user" not in client.get("/staff/delivery").text
    assert "@" not in str(site.one(AuditEntry, AuditEntry.action == "official-address").detail)


def test_a_supporter_reads_where_her_letters_are(site: Site) -> None:
    path = site.confirm_path(site.confirmed())
    sent, refused, _waiting = site.letters()
    site.change(Outgoing, Outgoing.id == sent.id, state=State.SENT, ended_at=db.now())
    site.change(Outgoing, Outgoing.id == refused.id, state=State.FAILED, ended_at=db.now())
    page = site.client.get(path).text
    for words in ("Delivered to the mail server on", "refuses it", "Waiting its turn"):
        assert page.count(words) == 1, words
    assert not any(official.email in page for official in site.stored(Official))
    site.change(Outgoing, Outgoing.id == refused.id, state=State.UNCERTAIN, lease_until=None)
    with site.app.app_context():
        assert outbox.settle(refused.id, has_arrived=False)
        db.session.commit()
    page = site.client.get(path).text
    assert "refuses it" not in page, "nobody has"
    assert "It may have arrived: the mail server never said" in page
    site.change(Outgoing, Outgoing.id == refused.id, ended_at=db.now() + dt.timedelta(minutes=1))
    assert "refuses it" in site.client.get(path).text, "sent again, and refused"


def test_a_template_at_fault_does_not_take_the_confirmation_away(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    path = site.confirm_path(site.signed())
    site.change(LetterText, LetterText.language == "it", template="{% if broken %}")
    answer = site.client.post(path)
    assert (answer.status_code, site.state()) == (200, "confirmed")
    assert "Waiting: it cannot leave at the moment" in answer.text
    assert "a letter cannot be written" in caplog.text
    assert "ann@" not in caplog.text.lower()
    assert site.client.get(f"/campaigns/{ITALY}").status_code == 200
