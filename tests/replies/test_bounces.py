"""A report moves a mail once, however early, often or wrong it comes (F35)."""

from __future__ import annotations

import threading

import pytest

from actionkit import db
from actionkit.delivery import recipients
from actionkit.delivery.models import Outgoing, State
from actionkit.replies import handling, intake
from actionkit.replies.models import IncomingMail, IncomingSource, IncomingState
from actionkit.signing import unsubscribe
from actionkit.signing.models import MailStop, StopReason
from tests.conftest import MakeApp
from tests.replies.conftest import OURS, MailSite
from tests.replies.samples import answer, out_of_office, qmail, report, unreadable
from tests.structure.conftest import SignIn

only_sqlite = pytest.mark.one_database


def findings(mails: list[IncomingMail]) -> list[str]:
    return [mail.finding for mail in mails]


@only_sqlite
def test_every_mail_names_its_row_to_who_cannot_deliver_it(site: MailSite) -> None:
    site.confirmed()
    site.drain()
    letter = site.letters()[0]
    (received,) = [mail for mail in site.sink.received if mail.message_id.startswith(f"<{letter.public_id}@")]
    assert received.mail_from == site.bounce_address(letter)
    local, _at, domain = received.mail_from.partition("@")
    assert (len(local) <= 64, domain, local.islower()) == (True, "sender.example", True)
    assert "bounces" not in received.raw.decode(), "only the envelope has it"


def test_a_hard_bounce_fails_the_letter_and_spares_the_rest(site: MailSite) -> None:
    letter = site.sent_letter()
    assert letter.state == State.SENT
    (came,) = site.comes_in(report(site.bounce_address(letter)))
    assert (came.state, came.finding, came.raw) == (IncomingState.HANDLED, handling.BOUNCED, None)
    row = site.row(letter)
    assert (row.state, row.last_step, row.bounces) == (State.FAILED, "bounce", 1)
    assert row.last_answer == "smtp; 550 5.1.1 <address>: no such user".replace("<address>:", "<address>")
    site.confirmed(email="later@example.org")
    site.drain()
    later = [mail for mail in site.letters() if mail.recipient_key == letter.recipient_key and mail.id != letter.id]
    assert [mail.state for mail in later] == [State.HELD], "no more letters to an address that is none"
    with site.app.app_context():
        recipients.resume(letter.recipient_key)
        db.session.commit()
    site.drain()
    assert site.row(later[0]).state == State.SENT, "and none of them is lost"


@only_sqlite
def test_a_report_that_comes_twice_moves_once(site: MailSite) -> None:
    letter = site.sent_letter()
    raw = report(site.bounce_address(letter))
    site.comes_in(raw, raw)
    mails = site.comes_in(b"From mailer Tue Nov 24\r\n" + raw, raw.replace(b"I'm sorry", b"We are sorry"))
    assert findings(mails) == [handling.BOUNCED, handling.KNOWN]
    assert site.row(letter).bounces == 1


def test_a_report_before_our_commit_waits_for_it(site: MailSite) -> None:
    """The relay's report is quicker than the worker, which has not stored yet that the mail left."""
    letter = site.sent_letter()
    site.change(Outgoing, Outgoing.id == letter.id, state=State.SENDING)
    raw = report(site.bounce_address(letter))
    (early,) = site.comes_in(raw)
    assert (early.state, site.row(letter).state) == (IncomingState.NEW, State.SENDING)
    site.change(Outgoing, Outgoing.id == letter.id, state=State.SENT)
    (still,) = site.handled()
    assert still.state == IncomingState.NEW, "it is not asked all the time"
    site.change(IncomingMail, not_before=db.now())
    (late,) = site.handled()
    assert (late.state, site.row(letter).state) == (IncomingState.HANDLED, State.FAILED)


@pytest.mark.parametrize("state", [State.QUEUED, State.CANCELLED, State.FAILED])
@only_sqlite
def test_what_has_not_left_is_not_moved(site: MailSite, state: State) -> None:
    letter = site.sent_letter()
    site.change(Outgoing, Outgoing.id == letter.id, state=state)
    (came,) = site.comes_in(report(site.bounce_address(letter)))
    assert (came.finding, site.row(letter).state) == (handling.KNOWN, state)


@only_sqlite
def test_unknown_and_forged_are_ignored_with_a_line(site: MailSite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "actionkit.replies")
    letter = site.sent_letter()
    ours = site.bounce_address(letter)
    with site.app.app_context():
        unknown = ours.replace(letter.public_id, "ab" * 16)
    stranger = Outgoing(public_id="cd" * 16)
    forged = ours.replace(ours.partition(".")[2].partition("@")[0], "a" * 16)
    for_replies = site.reply_address(letter).replace("replies+", "bounces+")
    mails = site.comes_in(*(report(to) for to in (unknown, forged, for_replies, site.bounce_address(stranger))))
    assert findings(mails) == [handling.FORGED] * 3 + [handling.UNKNOWN]
    assert {mail.state for mail in mails} == {IncomingState.IGNORED}
    assert site.row(letter).state == State.SENT
    assert len([r for r in caplog.records if r.getMessage() == "mail came in"]) == 4
    (came,) = site.comes_in(report(ours.upper().replace("SENDER.EXAMPLE", "Sender.Example")))[4:]
    assert came.finding == handling.BOUNCED, "a mail server may change the case of an address"


@only_sqlite
def test_an_older_key_still_vouches_for_reports(make_app: MakeApp, site: MailSite) -> None:
    letter = site.sent_letter()
    raw = report(site.bounce_address(letter))
    old = site.app.config["SECRET_KEY"]
    site.app.config.update(SECRET_KEY="another secret that is long enough to be taken", SECRET_KEY_FALLBACKS=[old])
    assert findings(site.comes_in(raw)) == [handling.BOUNCED]
    site.app.config.update(SECRET_KEY_FALLBACKS=[])
    assert findings(site.comes_in(raw.replace(b"sorry", b"sad")))[1:] == [handling.FORGED]


@only_sqlite
def test_what_is_not_understood_waits_for_a_person(site: MailSite) -> None:
    letter = site.sent_letter()
    ours = site.bounce_address(letter)
    mails = site.comes_in(unreadable(ours), answer(ours), b"\xff\xfe no mail at all", report("bounces@sender.example"))
    assert findings(mails) == [handling.UNCLEAR, handling.WRITTEN, handling.WRITTEN_HERE, handling.OF_WHICH]
    assert {mail.state for mail in mails} == {IncomingState.WAITING}
    assert all(mail.raw for mail in mails), "a person has to read them"
    assert site.row(letter).state == State.SENT


@only_sqlite
def test_an_error_of_ours_stops_one_mail(site: MailSite, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = site.sent_letter()
    monkeypatch.setattr(handling.bounces, "find", lambda _public_id: 1 / 0)
    (first,) = site.comes_in(report(site.bounce_address(letter)))
    monkeypatch.undo()
    assert (first.state, first.finding, first.raw is not None) == (IncomingState.WAITING, handling.SURPRISE, True)
    assert findings(site.comes_in(qmail(site.bounce_address(letter))))[1:] == [handling.BOUNCED]


@only_sqlite
def test_an_out_of_office_never_marks_failure(site: MailSite) -> None:
    letter = site.sent_letter()
    ours = site.bounce_address(letter)
    mails = site.comes_in(
        out_of_office(ours, Auto_Submitted="auto-replied"),
        out_of_office(ours, Return_Path="<>", Subject="Out of office"),
        report(ours, action="delayed", status="4.4.1"),
    )
    assert findings(mails) == [handling.AUTOMATIC, handling.AUTOMATIC, handling.STILL_TRIED]
    assert (site.row(letter).state, site.row(letter).bounces) == (State.SENT, 0)


def test_a_full_mailbox_is_tried_again_and_only_so_often(site: MailSite) -> None:
    letter = site.sent_letter()
    for n in range(4):
        raw = report(site.bounce_address(letter), status="5.2.2", said=f"552 5.2.2 full {n}")
        finding = site.comes_in(raw)[-1].finding
        row = site.row(letter)
        if n == 3:
            break
        assert (finding, row.state, row.bounces) == (handling.AGAIN, State.QUEUED, n + 1)
        assert row.not_before > db.now() + handling.bounces.AGAIN_AFTER * 0.99
        site.change(Outgoing, Outgoing.id == letter.id, not_before=db.now())
        site.drain()
        assert site.row(letter).state == State.SENT
    assert (finding, row.state) == (handling.BOUNCED, State.FAILED)
    ids = [mail.message_id for mail in site.sink.received if mail.message_id.startswith(f"<{letter.public_id}")]
    assert len(ids) == 3, "once more after each of three reports"
    with site.app.app_context():
        assert recipients.suspended() == [], "the address is none the worse for it"


@only_sqlite
def test_a_message_that_is_refused_speaks_against_no_address(site: MailSite) -> None:
    letter = site.sent_letter()
    site.comes_in(report(site.bounce_address(letter), status="5.7.1", said="550 5.7.1 looks like spam"))
    assert site.row(letter).state == State.FAILED
    with site.app.app_context():
        assert recipients.suspended() == []


def test_a_bounce_of_a_confirmation_takes_the_address_out(site: MailSite, sign_in: SignIn) -> None:
    site.signed(email="ann@dead.example", updates="yes")
    site.drain()
    (confirmation,) = site.confirmations()
    site.comes_in(report(site.bounce_address(confirmation)))
    stop = site.one(MailStop)
    assert (stop.canonical_email, stop.reason) == ("ann@dead.example", StopReason.BOUNCED)
    assert site.row(confirmation).state == State.FAILED
    page = sign_in("admin").get("/staff/campaigns/italy-water/signatures").text
    assert "mail came back" in page

    # She may sign again, which is asked for; and when its link is used, the address lives.
    site.ten_minutes_later()
    submission = site.signed(email="ann@dead.example", updates="yes")
    site.drain()
    assert site.client.post(site.confirm_path(submission)).status_code == 200
    assert site.stored(MailStop) == []


@only_sqlite
def test_the_owners_will_is_more_than_a_bounce(site: MailSite) -> None:
    site.confirmed(email="ann@example.org")
    with site.app.app_context():
        unsubscribe.stop_dead("ann@example.org")
        unsubscribe.stop("ann@example.org")
        unsubscribe.stop_dead("ann@example.org")
        db.session.commit()
    assert site.one(MailStop).reason == StopReason.OWNER


@only_sqlite
def test_without_an_address_for_reports_the_message_id_tells(make_app: MakeApp) -> None:
    site = MailSite(make_app(mail_default_sender=OURS["mail_default_sender"]))
    letter = site.sent_letter()
    with site.app.app_context():
        assert site.bounce_address(letter) == ""
    came = site.comes_in(report("us@sender.example", returned_id=f"{letter.public_id}@sender.example"))
    assert findings(came) == [handling.BOUNCED]
    assert site.row(letter).state == State.FAILED


def test_many_workers_handle_a_mail_once(site: MailSite) -> None:
    letter = site.sent_letter()
    with site.app.app_context():
        for n in range(6):
            intake.store(report(site.bounce_address(letter), said=f"550 5.1.1 no {n}"), IncomingSource.PIPE)
        db.session.commit()
    threads = [threading.Thread(target=site.handled) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.handled()
    mails = site.stored(IncomingMail)
    assert sorted(findings(mails)) == sorted([handling.BOUNCED] + [handling.KNOWN] * 5)
    assert site.row(letter).bounces == 1
