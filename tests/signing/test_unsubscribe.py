"""One click, and nothing that is not owed is sent to an address any more (RFC 8058)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from actionkit import db
from actionkit.delivery import claims
from actionkit.delivery.models import Outgoing
from actionkit.signing import mails
from actionkit.signing.lifecycle import REMINDER
from actionkit.signing.models import ConsentWithdrawal, MailStop, Signature, Submission
from tests.conftest import MakeApp
from tests.signing.clock import Clock
from tests.signing.site import ITALY, Site
from tests.signing.test_lifecycle import ANN, mails_about, put_reminder
from tests.structure.test_pages_structure import check

ONE_CLICK = {"List-Unsubscribe": "One-Click"}

only_sqlite = pytest.mark.one_database


def path_of(site: Site, submission: Submission, purpose: str = "unsubscribe") -> str:
    return f"/unsubscribe/{site.token(purpose, submission.public_id, submission.created_at)}"


def stops(site: Site) -> list[str]:
    return [stop.canonical_email for stop in site.stored(MailStop)]


def reminded(site: Site, clock: Clock, slug: str = ITALY, **form: Any) -> Submission:
    """Signed yesterday; a reminder waits to be sent."""
    submission = site.signed(slug, **form)
    site.drain()
    clock.pass_by(hours=25)
    put_reminder(site)
    return submission


@pytest.mark.parametrize(
    "body",
    [
        {"data": ONE_CLICK},
        {"data": ONE_CLICK, "content_type": "multipart/form-data"},
        {},
    ],
    ids=["form-encoded", "multipart", "empty"],
)
@only_sqlite
def test_a_mail_providers_post_acts_at_once(site: Site, body: dict[str, Any]) -> None:
    path = path_of(site, site.signed(email="Ann@Example.org"))
    for _twice in range(2):
        answer = site.app.test_client(use_cookies=False).post(path, **body)
        assert (answer.status_code, answer.location) == (200, None)
        assert answer.headers.getlist("Set-Cookie") == []
        assert answer.headers["Cache-Control"] == "no-store"
    assert stops(site) == [ANN]


def test_looking_stops_nothing_and_the_button_does(site: Site) -> None:
    submission = site.signed(email=ANN, lang="it")
    path = path_of(site, submission)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert site.client.open(path, method=method).status_code == 200
    assert stops(site) == []
    page = check(site.client.get(path))
    assert page.one("html")["lang"] == "it"
    (form,) = page.all("form")
    assert (form["method"], form["action"]) == ("post", "")
    (button,) = page.all("button")
    done = check(site.client.post(path, data={button["name"]: button["value"]}))
    assert done.all("form") == []
    assert done.one("h1").words == check(site.client.get(path)).one("h1").words != page.one("h1").words
    assert stops(site) == [ANN]


def test_what_is_queued_stops_and_what_is_owed_does_not(site: Site, clock: Clock) -> None:
    submission = reminded(site, clock, email=ANN)
    site.confirmed("kenya-petition", email=ANN)
    site.signed("india-water", email=ANN)
    assert site.client.post(path_of(site, submission)).status_code == 200
    assert mails_about(site, REMINDER) == ["cancelled"]
    site.drain()
    assert len(site.sent_to(ANN)) == 3, "what she asked for by signing is sent"
    clock.pass_by(hours=30)
    site.drain()
    assert mails_about(site, REMINDER) == ["cancelled"]
    clock.pass_by(minutes=11)
    site.sign(email=ANN)
    site.drain()
    assert len(site.sent_to(ANN)) == 4
    assert site.one(Signature, Signature.campaign_id == site.campaign("kenya-petition").id).state == "confirmed"


def test_no_mail_is_claimed_after_the_answer(site: Site, clock: Clock) -> None:
    """F38: what a worker has leased, and not begun, is cancelled; and it would ask once more before it is written."""
    submission = reminded(site, clock, email=ANN)
    with site.app.app_context():
        (item,) = claims.claim("a worker", 8)
        db.session.commit()
    site.client.post(path_of(site, submission))
    assert mails_about(site, REMINDER) == ["cancelled"]
    with site.app.app_context():
        db.reading()
        with pytest.raises(mails.NotToBeSent):
            mails.reminder(item)
    site.change(Outgoing, Outgoing.kind == REMINDER, lease_until=db.now() - dt.timedelta(days=3))
    site.drain()
    site.drain()
    assert mails_about(site, REMINDER) == ["cancelled"]
    assert len(site.sent_to(ANN)) == 1


def test_twenty_clicks_at_once_are_one(site: Site) -> None:
    submission = site.confirmed(email=ANN, updates="yes")
    site.confirmed("kenya-petition", email=ANN, updates="yes")
    site.confirmed("india-water", email=ANN)
    site.confirmed(email="bob@example.org", updates="yes")
    path = path_of(site, submission)
    answers = site.at_once(lambda client, _number: client.post(path, data=ONE_CLICK))
    assert {answer.status_code for answer in answers} == {200}
    assert stops(site) == [ANN]
    withdrawn = site.stored(ConsentWithdrawal)
    slugs = {ITALY, "kenya-petition"}
    told = {s.id for s in site.stored(Signature) if s.campaign_id in {site.campaign(slug).id for slug in slugs}}
    assert len(withdrawn) == 2, "each consent to updates that she gave is taken back, once"
    assert {w.purpose for w in withdrawn} == {"updates"}
    assert {w.signature_id for w in withdrawn} <= told
    assert [s.state for s in site.stored(Signature)] == ["confirmed"] * 4, "signatures stay"


def test_only_the_genuine_link_acts(make_app: MakeApp, app: Flask) -> None:
    site = Site(app)
    submission = site.signed(email=ANN)
    path = path_of(site, submission)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert site.client.post(path, data=ONE_CLICK, headers=headers).status_code == 403
    for purpose in ("confirm", "withdraw", "erase"):
        assert site.client.post(path_of(site, submission, purpose)).status_code == 404
    signature = site.one(Signature)
    token = site.token("unsubscribe", submission.public_id, submission.created_at)
    for other in (token[:-1], token[:-2] + "AA", "x", site.token("withdraw", signature.public_id)):
        assert site.client.post(f"/unsubscribe/{other}").status_code == 404
    for purpose in ("confirm", "withdraw"):
        assert site.client.post(f"/{purpose}/{token}").status_code == 404
    assert site.client.post(path, data="{}", content_type="application/json").status_code == 415
    gone = f"/unsubscribe/{site.token('unsubscribe', 'f' * 32)}"
    assert (site.client.get(gone).status_code, site.client.post(gone).status_code) == (410, 410)
    assert stops(site) == []
    new_key, old_key = "another secret for tests that is long enough", app.config["SECRET_KEY"]
    assert make_app(secret_key=new_key).test_client().post(path).status_code == 404
    assert make_app(secret_key=new_key, secret_key_fallbacks=old_key).test_client().post(path).status_code == 200
    assert stops(site) == [ANN]


@only_sqlite
def test_the_link_works_as_long_as_there_is_anything(site: Site, clock: Clock) -> None:
    submission = reminded(site, clock, email=ANN)
    path = path_of(site, submission)
    site.drain()
    clock.pass_by(days=29)
    site.drain()
    assert site.client.get(path).status_code == 200
    site.client.post(path)
    clock.pass_by(days=40)
    site.drain()
    assert (site.stored(Signature), stops(site)) == ([], [ANN]), "her wish outlives what it was about"
    again = site.signed(email=ANN)
    site.drain()
    clock.pass_by(hours=25)
    site.drain()
    assert site.stored(Outgoing, Outgoing.kind == REMINDER) == []
    with site.app.app_context():
        db.reading()
        assert db.session.scalar(sa.select(sa.func.count()).where(Submission.id == again.id)) == 1
