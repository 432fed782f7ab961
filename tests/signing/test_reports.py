"""Reports to officials: what is in them, that nobody is in two, and who is never named."""

from __future__ import annotations

import csv
import datetime as dt
import io
from email.message import EmailMessage

import pytest

from actionkit import db, jobs
from actionkit.campaigns.models import Campaign, Official
from actionkit.delivery.models import Outgoing, State
from actionkit.letters.models import Report
from actionkit.letters.operations import stop_where_reported
from actionkit.signing import search
from actionkit.signing.models import ConsentWording, Signature
from tests.signing.clock import Clock
from tests.signing.site import ITALY, Site, text_of

KENYA = "kenya-petition"
MINISTER, TOWNS = "acqua@governo.example", "towns@comuni.example"
NOON = dt.datetime(2031, 3, 3, 11, tzinfo=dt.UTC)
"""12 o'clock in Rome, after the morning's report."""


@pytest.fixture
def digest(site: Site, clock: Clock) -> Site:
    clock.set(NOON)
    site.change(Campaign, Campaign.slug == ITALY, letters="digest", closes_on=None, letters_per_hour=0)
    return site


def reported(site: Site) -> int:
    """Make and send what is due; how many reports were made."""
    site.drain()
    with site.app.app_context():
        before = len(site.stored(Outgoing, Outgoing.kind == "digest"))
        assert jobs.report(site.app.extensions["delivery_worker"]) == 0, "made once"
    return before


def rows(mail: EmailMessage) -> list[list[str]]:
    files = list(mail.iter_attachments())
    assert len(files) <= 1
    if not files:
        return []
    content = files[0].get_payload(decode=True)
    assert isinstance(content, bytes)
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))[1:]


def test_a_report_a_day_tells_what_is_new_and_names_who_allowed_it(digest: Site, clock: Clock) -> None:
    digest.confirmed(name="Ada Shown", email="ada@example.org", show_name="y", comment="=1+1", country="IT")
    digest.confirmed(name="Bea Hidden", email="bea@example.org", comment="Hush", country="FR")
    assert digest.letters() == []
    assert reported(digest) == 0, "what was confirmed today is told tomorrow"
    clock.pass_by(days=1)
    assert reported(digest) == 3, "one to each official"
    mail = digest.sent_to(TOWNS)[0]
    assert rows(mail) == [["Ada Shown", "Italy", "'=1+1"]]
    text = text_of(mail)
    assert "2 people" in text
    assert "Italy: 1 (1)" in text
    assert "France: 1 (1)" in text
    assert "“=1+1”" in text
    assert "Protect the springs" in mail["Subject"]
    assert "The springs need a law." in text
    italian = digest.sent_to(MINISTER)[0]
    assert italian["Content-Language"] == "it"
    assert rows(italian)[0][1] == "Italia"

    clock.pass_by(days=1)
    assert reported(digest) == 3, "nobody has signed since: no report"
    digest.confirmed(name="Cleo New", email="cleo@example.org", show_name="y")
    clock.pass_by(days=1)
    assert reported(digest) == 6
    second = digest.sent_to(TOWNS)[1]
    assert [row[0] for row in rows(second)] == ["Cleo New"], "nobody stands in two reports"
    assert "3 people" in text_of(second)
    assert "Italy: 2 (1)" in text_of(second)
    for mail in (*digest.sent_to(TOWNS), *digest.sent_to(MINISTER)):
        whole = str(rows(mail)) + text_of(mail) + mail["Subject"]
        assert "Bea" not in whole
        assert "Hush" not in whole
        assert "example.org" not in whole
        assert "00184" not in whole


@pytest.mark.one_database
def test_the_same_at_each_try_but_for_who_has_withdrawn(digest: Site, clock: Clock) -> None:
    stays = digest.confirmed(name="Ada Stays", show_name="y")
    goes = digest.confirmed(name="Bea Goes", show_name="y")
    clock.pass_by(days=1)
    with digest.app.app_context():
        worker = digest.app.extensions["delivery_worker"]
        assert jobs.report(worker) == 3
    digest.confirmed(name="Cleo Late", show_name="y")
    row = digest.stored(Outgoing, Outgoing.kind == "digest")[0]

    def tried() -> tuple[str, str, str]:
        with digest.app.app_context():
            db.reading()
            mail = jobs.RENDERERS["digest"](row)  # type: ignore[arg-type]
        return mail.subject, mail.text, mail.attachments[0].content.decode()

    first = tried()
    clock.pass_by(hours=9)
    assert tried() == first
    assert "Cleo" not in first[2]
    signature = digest.one(Signature, Signature.id == goes.signature_id)
    assert digest.client.post(digest.withdraw_path(signature)).status_code == 200
    second = tried()
    assert "Bea Goes" not in second[2]
    assert stays.name in second[2]
    assert second[0] == first[0]
    clock.pass_by(days=1)
    assert reported(digest) == 6
    later = [row for mail in digest.sent_to(TOWNS) for row in rows(mail)]
    assert sorted(row[0] for row in later) == ["Ada Stays", "Cleo Late"]


@pytest.mark.one_database
def test_who_agreed_to_be_counted_only_is_not_named(site: Site, clock: Clock) -> None:
    clock.set(NOON)
    site.change(Campaign, Campaign.slug == ITALY, letters="none", closes_on=None, letters_per_hour=0)
    site.confirmed(name="Ada Counted", show_name="y")
    assert not site.one(ConsentWording).names_to_officials
    clock.pass_by(days=1)
    assert reported(site) == 0, "a petition alone tells officials nothing"
    site.change(Campaign, Campaign.slug == ITALY, letters="digest")
    assert reported(site) == 3
    mail = site.sent_to(TOWNS)[0]
    assert rows(mail) == []
    assert "Ada" not in text_of(mail)
    assert "Italy: 1 (1)" in text_of(mail)


def test_an_official_set_to_digest_gets_no_letters(site: Site, clock: Clock) -> None:
    clock.set(NOON)
    site.change(Campaign, Campaign.slug == ITALY, closes_on=None, office_hours="Mon-Fri 20:00-21:00")
    site.confirmed(name="Ada Before", show_name="y")
    assert len(site.letters()) == 3
    site.change(Official, Official.email == MINISTER, wants_digest=True)
    with site.app.app_context():
        assert stop_where_reported() == 1
        db.session.commit()
        assert stop_where_reported() == 0
    before = [letter.state for letter in site.letters()]
    assert sorted(before) == sorted([State.CANCELLED, State.QUEUED, State.QUEUED])
    site.confirmed(name="Bea After", show_name="y")
    assert len(site.letters()) == 5

    # One that was put while the official was being switched, and one that staff put back.
    site.change(Outgoing, Outgoing.state == State.CANCELLED, state=State.QUEUED, ended_at=None)
    site.change(Campaign, Campaign.slug == ITALY, letters_per_hour=0)
    clock.set(NOON + dt.timedelta(days=1, hours=8, minutes=30))
    assert reported(site) == 1
    to_minister = list(site.sent_to(MINISTER))
    assert len(to_minister) == 1
    assert [row[0] for row in rows(to_minister[0])] == ["Ada Before", "Bea After"]
    assert site.one(Report).new == 2


def test_staff_find_reports_among_the_letters(digest: Site, clock: Clock) -> None:
    digest.confirmed(name="Ada Shown")
    clock.pass_by(days=1)
    assert reported(digest) == 3
    campaign = digest.campaign()
    with digest.app.app_context():
        found = search.letters(campaign.id, state=State.SENT, number=1).rows
        assert [row.kind for row in found] == ["digest"] * 3
        assert search.find_letter(campaign.id, found[0].public_id) is not None
        assert search.letters_by_state(campaign.id) == {State.SENT: 3}


def test_pages_say_who_gets_a_report(digest: Site) -> None:
    submission = digest.signed(name="Ada Reader")
    pages = [digest.client.get(f"/campaigns/{ITALY}").text, digest.client.get(digest.confirm_path(submission)).text]
    for page in pages:
        assert "a report goes to" in page
        assert "letters then leave" not in page
    assert "in reports to officials" in pages[0]
    assert "that reports to the officials named here" in pages[0]
    wording = digest.one(ConsentWording)
    assert wording.names_to_officials
    assert "reports to the officials" in wording.text
