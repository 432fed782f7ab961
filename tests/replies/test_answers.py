"""An official's answer reaches who wrote the letter, and nothing else does."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from actionkit import db
from actionkit.delivery.models import Outgoing, State
from actionkit.replies import answers, handling
from actionkit.replies.models import IncomingMail, LetterAnswer
from actionkit.signing.models import Signature, SignatureState
from actionkit.upkeep import erasure
from tests.conftest import MakeApp, sign_form
from tests.replies.conftest import OURS, MailSite, hide_addresses
from tests.replies.samples import answer, mail, out_of_office, report
from tests.signing.site import ITALY
from tests.structure.conftest import SignIn
from tests.structure.page import Page

only_sqlite = pytest.mark.one_database


def hidden_letter(site: MailSite) -> Outgoing:
    """A letter whose supporter's address is hidden from the official."""
    hide_addresses(site)
    return site.sent_letter(email="ann@example.org", name="Ann Example")


def passed_on(site: MailSite) -> list[Outgoing]:
    return site.stored(Outgoing, Outgoing.kind == answers.ANSWER)


def test_an_answer_reaches_the_supporter(site: MailSite, sign_in: SignIn) -> None:
    letter = hidden_letter(site)
    raw = answer(site.reply_address(letter), text="Dear Ann,\n\nwe shall look into it. Grüße 👋\n")
    (came,) = site.comes_in(raw)
    assert came.finding == handling.ANSWERED
    assert came.outgoing_id == letter.id
    site.drain()
    (received,) = site.sink.to("ann@example.org")
    message = received.message
    assert "Dear Ann,\n\nwe shall look into it. Grüße 👋\n" in received.text
    assert str(message["From"]) == "Us <us@sender.example>"
    assert str(message["Reply-To"]) == "Office of the Minister <office@example.net>"
    assert str(message["Auto-Submitted"]) == "auto-generated"
    assert str(message["Subject"]).startswith("An answer to your letter: ")
    assert "Re: Water" in received.text
    assert received.mail_from == site.bounce_address(passed_on(site)[0])
    page = Page(sign_in("viewer").get(f"/staff/campaigns/{ITALY}/letters").text)
    assert any("1 answer came through us" in paragraph.words for paragraph in page.all("p"))
    assert "look into it" not in page.one("main").text, "whose answer it is, is nobody else's business"


@only_sqlite
def test_a_letter_says_where_its_answer_goes(site: MailSite) -> None:
    hide_addresses(site)
    site.confirmed(email="ann@example.org", name="Ann Example")
    site.drain()
    letter = site.letters()[0]
    (received,) = [mail for mail in site.sink.received if mail.message_id.startswith(f"<{letter.public_id}@")]
    assert received.message["Reply-To"].addresses[0].addr_spec == site.reply_address(letter)
    assert received.message["Reply-To"].addresses[0].display_name == "Ann Example"
    assert "ann@example.org" not in received.raw.decode()
    hint = Page(site.client.get(f"/campaigns/{ITALY}").text).one("small", id="email-hint").words
    assert "if an official answers, we pass the answer on to you" in hint
    preview = site.client.post(f"/campaigns/{ITALY}/preview", data=sign_form(email="ann@example.org")).text
    assert "An answer comes to us, and we pass it on to you, ann@example.org." in preview


@only_sqlite
def test_without_an_address_for_answers_nothing_is_promised(make_app: MakeApp) -> None:
    site = MailSite(make_app(mail_default_sender=OURS["mail_default_sender"]))
    hide_addresses(site)
    site.confirmed(email="ann@example.org")
    site.drain()
    assert [mail["Reply-To"] for mail in site.mails()] == [None] * 4
    hint = Page(site.client.get(f"/campaigns/{ITALY}").text).one("small", id="email-hint").words
    assert hint.endswith("The address is never shown.")


def test_an_answer_that_is_sent_twice_is_passed_on_once(site: MailSite) -> None:
    letter = hidden_letter(site)
    raw = answer(site.reply_address(letter))
    site.comes_in(raw, b"Received: from elsewhere\r\n" + raw)
    assert [mail.finding for mail in site.stored(IncomingMail)] == [handling.ANSWERED, handling.ANSWERED_BEFORE]
    assert len(passed_on(site)) == len(site.stored(LetterAnswer)) == 1


@only_sqlite
def test_machines_are_not_passed_on(site: MailSite) -> None:
    letter = hidden_letter(site)
    ours = site.reply_address(letter)
    site.comes_in(
        out_of_office(ours, Auto_Submitted="auto-replied"),
        out_of_office(ours, Subject="Automatic reply: Water"),
        answer(ours, Precedence="list"),
        report(ours),
        answer(ours, From="Us <us@sender.example>"),
        answer(ours, From=f"x <{site.app.config['ACTIONKIT'].mail_reply_address}>"),
    )
    assert [mail.finding for mail in site.stored(IncomingMail)] == [
        *[handling.AUTOMATIC] * 3,
        handling.BOUNCED,
        *[handling.OURS] * 2,
    ]
    assert passed_on(site) == []


@only_sqlite
def test_two_that_answer_each_other_come_to_an_end(site: MailSite) -> None:
    letter = hidden_letter(site)
    many = answers.MOST_A_DAY + 2
    site.comes_in(*(answer(site.reply_address(letter), Message_ID=f"<{n}@example.net>") for n in range(many)))
    assert len(passed_on(site)) == answers.MOST_A_DAY
    assert len(site.stored(LetterAnswer)) == many, "all are counted"
    assert site.stored(IncomingMail)[-1].finding == handling.ONE_TOO_MANY


@only_sqlite
def test_a_forged_address_reaches_nobody(site: MailSite) -> None:
    letter = hidden_letter(site)
    ours = site.reply_address(letter)
    tag = ours.partition(".")[2].partition("@")[0]
    site.comes_in(
        answer(ours.replace(tag, "b" * 16)), answer(site.bounce_address(letter).replace("bounces+", "replies+"))
    )
    assert [mail.finding for mail in site.stored(IncomingMail)] == [handling.FORGED] * 2
    assert passed_on(site) == []


@only_sqlite
@pytest.mark.parametrize(("state", "reaches"), [(SignatureState.WITHDRAWN, True), (SignatureState.INVALIDATED, False)])
def test_who_was_no_supporter_gets_none(site: MailSite, state: SignatureState, reaches: bool) -> None:
    letter = hidden_letter(site)
    site.comes_in(answer(site.reply_address(letter)))
    site.change(Signature, state=state)
    site.drain()
    assert bool(site.sink.to("ann@example.org")) == reaches


@only_sqlite
def test_files_and_headers_of_strangers_are_bounded(site: MailSite) -> None:
    letter = hidden_letter(site)
    raw = mail(f"""
        From: =?utf-8?q?Evil=0D=0ABcc=3A_x=40example=2Eorg?= <office@example.net>
        To: {site.reply_address(letter)}
        Subject: =?utf-8?q?a=0D=0ABcc=3A_y=40example=2Eorg?=
        Message-ID: <files@example.net>
        Content-Type: multipart/mixed; boundary=B

        --B
        Content-Type: text/html; charset=utf-8

        <p>Dear Ann,</p><p>see <a href="https://example.net">this</a>.</p><script>steal()</script>
        --B
        Content-Type: application/pdf; name="../../etc/passwd"
        Content-Disposition: attachment; filename="../../letter.exe"
        Content-Transfer-Encoding: base64

        JVBERi0xLjQ=
        --B
        Content-Type: application/x-msdownload
        Content-Disposition: attachment; filename="run.exe"

        MZ
        --B--
        """)
    site.comes_in(raw)
    site.drain()
    (received,) = site.sink.to("ann@example.org")
    message = received.message
    assert message["Bcc"] is None
    assert message["Reply-To"].addresses[0].addr_spec == "office@example.net"
    assert "Dear Ann,\n\nsee this.\n" in received.text
    assert "steal" not in received.text
    files = [(part.get_filename(), part.get_content_type(), part.get_content()) for part in message.iter_attachments()]
    assert files == [("1.pdf", "application/pdf", b"%PDF-1.4")]
    assert "1 file of it was left out" in received.text


@only_sqlite
def test_the_text_is_deleted_when_it_was_passed_on(site: MailSite) -> None:
    letter = hidden_letter(site)
    (came,) = site.comes_in(answer(site.reply_address(letter)))
    assert came.raw is not None
    site.drain()
    assert site.stored(IncomingMail)[0].raw is not None, "the mail may still come back"
    (row,) = passed_on(site)
    assert row.state == State.SENT
    site.change(Outgoing, Outgoing.id == row.id, ended_at=db.now() - answers.KEEP_TEXT * 1.1)
    with site.app.app_context():
        answers.forget_texts_passed_on()
        db.session.commit()
    assert site.stored(IncomingMail)[0].raw is None


@only_sqlite
def test_an_answer_that_comes_back_takes_the_address_out(site: MailSite) -> None:
    letter = hidden_letter(site)
    site.comes_in(answer(site.reply_address(letter)))
    site.drain()
    (row,) = passed_on(site)
    site.comes_in(report(site.bounce_address(row)))
    with site.app.app_context():
        stopped = db.session.execute(sa.text("SELECT canonical_email, reason FROM mail_stops")).all()
    assert stopped == [("ann@example.org", "bounced")]


@only_sqlite
def test_who_is_erased_leaves_no_answer_behind(site: MailSite) -> None:
    letter = hidden_letter(site)
    site.comes_in(answer(site.reply_address(letter)))
    with site.app.app_context():
        erasure.erase("ann@example.org")
        db.session.commit()
    assert site.stored(IncomingMail) == []
    assert passed_on(site) == []
    assert len(site.stored(LetterAnswer)) == 1, "that an official answered is a number"
