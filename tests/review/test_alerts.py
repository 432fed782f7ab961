"""Staff are told: a row until it is seen, one mail for a kind in six hours, nobody's data in it."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from actionkit import db
from actionkit.delivery.models import Outgoing
from actionkit.review import alerts, watch
from actionkit.review.models import Cursor, StaffAlert
from actionkit.signing.models import Signature, SignatureState
from actionkit.signing.operations import REFUSED_BY_OWNER
from actionkit.staff import operations
from actionkit.staff.models import AuditEntry, StaffMember, StaffRole
from tests.conftest import MakeApp
from tests.review.conftest import NETWORK, ReviewSite
from tests.signing.site import ITALY, text_of
from tests.sink import Sink
from tests.structure.conftest import SignIn, csrf_token
from tests.structure.page import Page

only_sqlite = pytest.mark.one_database

REVIEW = f"/staff/campaigns/{ITALY}/review"


def add_staff(site: ReviewSite) -> None:
    """An admin, a campaigner and a viewer of the campaign; a campaigner of another; one who has left."""
    with site.app.app_context():
        own, other = site.campaign().id, site.campaign("india-water").id
        operations.add_staff("admin@desk.example", StaffRole.ADMIN)
        operations.add_staff("own@desk.example", StaffRole.CAMPAIGNER, None, [own])
        operations.add_staff("viewer@desk.example", StaffRole.VIEWER, None, [own])
        operations.add_staff("other@desk.example", StaffRole.CAMPAIGNER, None, [other])
        operations.deactivate(operations.add_staff("gone@desk.example", StaffRole.ADMIN))
        db.session.commit()


def alert_mails(site: ReviewSite) -> list[Outgoing]:
    return site.stored(Outgoing, Outgoing.kind == alerts.STAFF_ALERT)


def test_who_can_act_is_told_by_mail_once(make_app: MakeApp) -> None:
    with Sink().running() as sink:
        site = ReviewSite(
            make_app(mail_server="127.0.0.1", mail_port=str(sink.port), mail_default_sender="us@sender.example")
        )
        add_staff(site)
        site.crowd(60, "fresh.example", network=NETWORK)
        site.drain()
        site.drain()
        kinds = [(alert.kind, alert.value, alert.signatures) for alert in site.stored(StaffAlert)]
        assert sorted(kinds) == [("domain", "fresh.example", 60), ("network", NETWORK, 60)]
        received = [mail for mail in sink.received if mail.rcpt.endswith("@desk.example")]
        assert sorted(mail.rcpt for mail in received) == ["admin@desk.example"] * 2 + ["own@desk.example"] * 2
    rows = alert_mails(site)
    assert {row.state for row in rows} == {"sent"}
    assert all(row.recipient_key.startswith("staff:") for row in rows)
    link = f"{site.app.config['ACTIONKIT'].base_url}{REVIEW}"
    for mail in received:
        assert mail.message["Auto-Submitted"] == "auto-generated"
        assert mail.message.get_content_type() == "text/plain"
        assert link in mail.text.splitlines(), "the link stands alone on its line"
        assert "Protect the springs" in mail.text or "Italy" in mail.text
        assert "60 signatures" in mail.text
        assert "Person" not in mail.text
        assert "@fresh.example" not in mail.text, "no supporter's address"
        assert NETWORK not in mail.text
    assert len([mail for mail in received if "a1b2c3…" in mail.text]) == 2
    assert len([mail for mail in received if "fresh.example" in mail.text]) == 2


def test_more_of_a_kind_within_six_hours_is_shown_and_not_mailed(site: ReviewSite) -> None:
    add_staff(site)
    for number, network in enumerate(("a" * 32, "b" * 32, "c" * 32)):
        site.crowd(50 + number, network=network)
    site.look()
    networks = StaffAlert.kind == "network"
    assert len(site.stored(StaffAlert, networks)) == 3
    (first,) = site.stored(StaffAlert, networks, StaffAlert.value == "c" * 32)
    told = {row.subject_id for row in alert_mails(site)}
    assert told & {alert.id for alert in site.stored(StaffAlert, networks)} == {first.id}, "the largest is mailed"
    site.crowd(60, slug="india-water", network="d" * 32)
    site.look()
    (elsewhere,) = site.stored(StaffAlert, StaffAlert.value == "d" * 32)
    assert elsewhere.id in {row.subject_id for row in alert_mails(site)}, "another campaign has mails of its own"
    before = len(alert_mails(site))
    earlier = db.now() - alerts.BETWEEN_MAILS - dt.timedelta(seconds=1)
    site.change(StaffAlert, created_at=earlier)
    site.change(Outgoing, created_at=earlier)
    site.crowd(60, network="e" * 32)
    site.look()
    assert len(alert_mails(site)) == before + 2


@only_sqlite
def test_who_has_left_since_is_not_mailed(site: ReviewSite) -> None:
    add_staff(site)
    site.crowd(60, network=NETWORK)
    site.look()
    with site.app.app_context():
        member = db.session.scalars(sa.select(StaffMember).where(StaffMember.email == "own@desk.example")).one()
        operations.deactivate(member)
        db.session.commit()
    site.drain()
    assert site.sent_to("own@desk.example") == []
    assert len(site.sent_to("admin@desk.example")) == len({row.subject_id for row in alert_mails(site)})


def test_ten_owners_who_refuse_within_a_day_are_an_alert(site: ReviewSite) -> None:
    add_staff(site)
    submissions = [site.signed() for _ in range(11)]

    def refuse(which: slice) -> None:
        for submission in submissions[which]:
            answer = site.client.post(site.confirm_path(submission), data={"decision": "refuse"})
            assert answer.status_code == 200

    refuse(slice(0, 6))
    site.look()
    assert [row.signatures for row in site.stored(StaffAlert)] == []
    refuse(slice(6, 9))
    site.look()
    site.look()
    assert site.stored(StaffAlert) == [], "nine are no alert"
    site.crowd(5, state=SignatureState.INVALIDATED)
    site.look()
    assert site.stored(StaffAlert) == [], "what staff took out is nobody's refusal"
    refuse(slice(9, 10))
    site.look()
    (alert,) = site.stored(StaffAlert)
    assert (alert.kind, alert.value, alert.signatures) == ("refused", "", 10)
    refuse(slice(10, 11))
    site.look()
    assert len(site.stored(StaffAlert)) == 1, "one alert a day"
    site.drain()
    (mail,) = site.sent_to("admin@desk.example")
    assert "10 owners of addresses said within a day" in text_of(mail)
    with site.app.app_context():
        assert watch.refused_in_all(site.campaign().id) == 11


@only_sqlite
def test_refusals_of_long_ago_are_no_news_at_the_first_look(site: ReviewSite) -> None:
    site.crowd(12, hours_ago=40, state=SignatureState.INVALIDATED)
    site.change(Signature, state_reason=REFUSED_BY_OWNER)
    site.look()
    assert site.stored(StaffAlert) == []
    assert site.one(Cursor, Cursor.name.startswith("refusals ")).position == 12


# ---------------------------------------------------------------- the page


@only_sqlite
def test_a_quiet_page_says_so_and_what_it_is_for(site: ReviewSite, sign_in: SignIn) -> None:
    page = Page(sign_in(StaffRole.VIEWER, ITALY).get(REVIEW).text)
    assert "All is well" in page.one("main").words
    assert "What would appear on this page" in page.one("main").words


def test_the_page_shows_what_to_look_at_and_alerts_until_they_are_seen(site: ReviewSite, sign_in: SignIn) -> None:
    site.crowd(60, "fresh.example", network=NETWORK)
    site.crowd(addresses=("ann@gmail.com", "a.nn@gmail.com"))
    site.crowd(3, "other.example", state=SignatureState.HELD)
    site.change(Signature, Signature.state == "held", state_reason="many signatures from one network")
    site.crowd(60, slug="india-water", network=NETWORK)
    site.drain()
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    index = Page(client.get("/staff/").text)
    assert [e.words for e in index.all("span") if "alert" in e.text] == ["2 alerts"]
    page = Page(client.get(REVIEW).text)
    words = page.one("main").words
    for wanted in ("60 signatures within an hour", "fresh.example", "a1b2c3…", "a.nn@gmail.com"):
        assert wanted in words
    assert "3 many signatures from one network" in words
    hrefs = [a["href"] for a in page.all("a")]
    assert f"/staff/campaigns/{ITALY}/signatures?domain=fresh.example" in hrefs
    assert f"/staff/campaigns/{ITALY}/signatures?network={NETWORK}" in hrefs
    assert "/staff/review/providers" not in hrefs, "that is for admins"

    viewer = sign_in(StaffRole.VIEWER, ITALY)
    assert "/review/seen" not in viewer.get(REVIEW).text
    assert viewer.post(f"{REVIEW}/seen", data={"csrf_token": csrf_token(viewer)}).status_code == 403

    token = csrf_token(client)
    (foreign,) = site.stored(
        StaffAlert, StaffAlert.campaign_id == site.campaign("india-water").id, StaffAlert.kind == "network"
    )
    for value in (str(foreign.id), "0", "", "x", "٣", "9" * 30):
        assert client.post(f"{REVIEW}/seen", data={"csrf_token": token, "alert": value}).status_code == 303
    assert site.stored(StaffAlert, StaffAlert.seen_at.is_not(None)) == []
    own = site.stored(StaffAlert, StaffAlert.campaign_id == site.campaign().id)
    client.post(f"{REVIEW}/seen", data={"csrf_token": token, "alert": str(own[0].id)})
    assert [alert.id for alert in site.stored(StaffAlert, StaffAlert.seen_at.is_not(None))] == [own[0].id]
    client.post(f"{REVIEW}/seen", data={"csrf_token": token, "up_to": str(own[-1].id)})
    assert {alert.id for alert in site.stored(StaffAlert, StaffAlert.seen_at.is_not(None))} == {a.id for a in own}
    assert "1 alert" not in client.get("/staff/").text
    seen = [entry for entry in site.stored(AuditEntry) if entry.action == "see-alerts"]
    assert [entry.detail["alerts"] for entry in seen] == [1, 1]
