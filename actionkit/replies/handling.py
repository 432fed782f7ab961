"""What a mail that came in means, and what happens then: once, however often it is asked. Nothing here commits.

Whose it is says the address it came to, by a keyed tag; a report to another address of ours may quote
the Message-ID of a mail instead, which is random and known to who has had that mail. A forged tag, or
one of a mail that is no more, is ignored with a line in the log. What is ours and cannot be understood
waits for a person.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import bounces, recipients, reports, return_path
from actionkit.delivery.bounces import Effect
from actionkit.delivery.messages import sender_domain
from actionkit.delivery.models import Outgoing
from actionkit.delivery.reports import Nature, Reading
from actionkit.delivery.return_path import Found, Use
from actionkit.languages import gettext_noop
from actionkit.letters.operations import LETTER
from actionkit.replies import answers, contents
from actionkit.replies.models import IncomingMail, IncomingState
from actionkit.signing import unsubscribe
from actionkit.signing.lifecycle import REMINDER
from actionkit.signing.models import Signature, Submission
from actionkit.signing.operations import CONFIRMATION

log = logging.getLogger(__name__)

ASK_AGAIN = dt.timedelta(seconds=10)
"""About a mail that is still being sent."""
MOST_MAILS = 50
"""In one run of the job."""

OFFICIAL = "official:"
"""What the keys of recipients begin with who are officials: see `letters.operations.recipient_key`."""
HEADERS_WITH_OUR_ADDRESS = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To", "Cc")


@dataclass(frozen=True)
class Finding:
    """What a mail turned out to be. `words` are for staff."""

    state: IncomingState
    words: str
    is_again: bool = False
    """It has to be looked at once more, later."""
    keeps_text: bool = False
    outgoing_id: int | None = None


FORGED = gettext_noop("an address with a forged tag")
UNKNOWN = gettext_noop("about a mail that is no more")
BOUNCED = gettext_noop("a mail was not delivered")
AGAIN = gettext_noop("not delivered now; it is tried again")
KNOWN = gettext_noop("a report that changes nothing any more")
STILL_TRIED = gettext_noop("a mail server is still trying")
ARRIVED = gettext_noop("a mail arrived, or went on to where no more is known")
AUTOMATIC = gettext_noop("an automatic answer")
ANSWERED = gettext_noop("an official's answer, passed on")
ANSWERED_BEFORE = gettext_noop("an official's answer that had come already")
ONE_TOO_MANY = gettext_noop("an official's answer, one too many that day: not passed on")
NOT_ANSWERABLE = gettext_noop("an answer to a letter whose writer cannot be reached any more")
OURS = gettext_noop("a mail of our own that came back")
WRITTEN = gettext_noop("somebody wrote to an address for reports")
WRITTEN_HERE = gettext_noop("somebody wrote to no mail of ours in particular")
ANSWER_TO_NO_LETTER = gettext_noop("an answer to a mail that is no letter")
UNCLEAR = gettext_noop("from a mail server, and not understood")
OF_WHICH = gettext_noop("a report on a mail that it does not name")
SURPRISE = gettext_noop("an error of ours while it was read")


def due(after: int) -> list[int]:
    """The next mails that nobody has looked at, the earliest first."""
    return list(
        db.session.scalars(
            sa.select(IncomingMail.id)
            .where(IncomingMail.state == IncomingState.NEW, IncomingMail.not_before <= db.now())
            .where(IncomingMail.id > after)
            .order_by(IncomingMail.id)
            .limit(MOST_MAILS)
        )
    )


def handle(mail_id: int) -> IncomingState | None:
    """Look at one mail and do what it means; None where somebody else has, or it has to wait."""
    mail = _take(mail_id)
    if mail is None or mail.raw is None:
        return None
    finding = _find_out(mail)
    _settle(mail.id, finding)
    log.info("mail came in", extra={"incoming": mail.public_id, "state": finding.state, "finding": finding.words})
    return None if finding.is_again else finding.state


def give_to_a_person(mail_id: int) -> None:
    """After an unexpected error of ours: it is kept, and looked at by somebody who is no program."""
    mail = _take(mail_id)
    if mail is not None:
        _settle(mail.id, Finding(IncomingState.WAITING, SURPRISE, keeps_text=True))


def _take(mail_id: int) -> IncomingMail | None:
    """The mail, if nobody has handled it; locked until the transaction ends."""
    return db.session.scalar(
        sa.select(IncomingMail)
        .where(IncomingMail.id == mail_id, IncomingMail.state == IncomingState.NEW)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _settle(mail_id: int, finding: Finding) -> None:
    if finding.is_again:
        values: dict[str, object] = {"not_before": db.now() + ASK_AGAIN}
    else:
        values = {"state": finding.state, "finding": finding.words, "outgoing_id": finding.outgoing_id}
        if finding.state is not IncomingState.WAITING:
            values["handled_at"] = db.now()
        if not finding.keeps_text:
            values["raw"] = None
    db.rows_changed(
        sa.update(IncomingMail)
        .where(IncomingMail.id == mail_id, IncomingMail.state == IncomingState.NEW)
        .values(values)
    )


def _find_out(mail: IncomingMail) -> Finding:
    assert mail.raw is not None
    reading = reports.read(mail.raw)
    found = _addresses(mail)
    genuine = [each for each in found if each.is_genuine]
    if found and not genuine:
        return Finding(IncomingState.IGNORED, FORGED)
    if genuine:
        return _about(mail, genuine[0], reading)
    return _without_address(mail, reading)


def _addresses(mail: IncomingMail) -> list[Found]:
    """Tagged addresses of ours that it came to: as the mail server said, else as its headers say."""
    if found := return_path.find([mail.recipient]):
        return found
    message = contents.parse(mail.raw or b"")
    return return_path.find(value for name, value in message.raw_items() if name.title() in HEADERS_WITH_OUR_ADDRESS)


def _about(mail: IncomingMail, address: Found, reading: Reading) -> Finding:
    row = bounces.find(address.public_id)
    if row is None:
        return Finding(IncomingState.IGNORED, UNKNOWN)
    if reading.nature is Nature.WRITTEN and address.use is Use.REPLY:
        return _answer(mail, row)
    if reading.nature is Nature.WRITTEN:
        return Finding(IncomingState.WAITING, WRITTEN, keeps_text=True, outgoing_id=row.id)
    return _report(row, reading)


def _without_address(mail: IncomingMail, reading: Reading) -> Finding:
    """To an address of ours without a tag: a report may name the mail by its Message-ID."""
    if reading.nature in (Nature.FAILED, Nature.DELAYED, Nature.DELIVERED):
        for public_id in reports.returned_ids(mail.raw or b"", sender_domain()):
            if (row := bounces.find(public_id)) is not None:
                return _report(row, reading)
        return Finding(IncomingState.WAITING, OF_WHICH, keeps_text=True)
    if reading.nature is Nature.AUTOMATIC:
        return Finding(IncomingState.HANDLED, AUTOMATIC)
    words = UNCLEAR if reading.nature is Nature.UNCLEAR else WRITTEN_HERE
    return Finding(IncomingState.WAITING, words, keeps_text=True)


# ---------------------------------------------------------------- reports


_NOTHING_TO_DO = {Nature.DELAYED: STILL_TRIED, Nature.DELIVERED: ARRIVED, Nature.AUTOMATIC: AUTOMATIC}


def _report(row: Outgoing, reading: Reading) -> Finding:
    if words := _NOTHING_TO_DO.get(reading.nature):
        return Finding(IncomingState.HANDLED, words, outgoing_id=row.id)
    if reading.nature is not Nature.FAILED:
        return Finding(IncomingState.WAITING, UNCLEAR, keeps_text=True, outgoing_id=row.id)
    effect = mark_bounced(row, reading)
    if effect is Effect.TOO_EARLY:
        return Finding(IncomingState.NEW, "", is_again=True)
    words = {Effect.FAILED: BOUNCED, Effect.AGAIN: AGAIN, Effect.KNOWN: KNOWN}[effect]
    return Finding(IncomingState.HANDLED, words, outgoing_id=row.id)


def mark_bounced(row: Outgoing, reading: Reading) -> Effect:
    """A mail was not delivered: the ledger says so, and a dead address gets no more of them.

    A supporter's gets nothing that is not owed, until it is seen to live; an official's letters wait
    until staff look.
    """
    effect = bounces.bounced(row, reading)
    if effect is not Effect.FAILED or not reading.is_about_address:
        return effect
    if row.recipient_key.startswith(OFFICIAL):
        # At once, and not counted: the relay's 250 to the next letter would end the count.
        recipients.suspend(row.recipient_key, reading.remark)
    elif address := _supporter_of(row):
        unsubscribe.stop_dead(address)
    return effect


def _supporter_of(row: Outgoing) -> str | None:
    """The canonical address of the supporter whom the mail was for; None where it was for somebody else."""
    if row.kind in (CONFIRMATION, REMINDER):
        which = sa.select(Submission.signature_id).where(Submission.id == row.subject_id)
    elif row.kind == answers.ANSWER:
        which = answers.signature_of(row.subject_id)
    else:
        return None
    return db.session.scalar(sa.select(Signature.canonical_email).where(Signature.id.in_(which)))


# ---------------------------------------------------------------- answers


_ANSWERS = {
    answers.Taken.PASSED_ON: ANSWERED,
    answers.Taken.KNOWN: ANSWERED_BEFORE,
    answers.Taken.TOO_MANY: ONE_TOO_MANY,
    answers.Taken.NOBODY: NOT_ANSWERABLE,
    answers.Taken.OURS: OURS,
}


def _answer(mail: IncomingMail, letter: Outgoing) -> Finding:
    if letter.kind != LETTER:
        return Finding(IncomingState.WAITING, ANSWER_TO_NO_LETTER, keeps_text=True, outgoing_id=letter.id)
    taken = answers.take(mail, letter)
    # Kept until it has been passed on, or until its time is over.
    keeps_text = taken is answers.Taken.PASSED_ON
    return Finding(IncomingState.HANDLED, _ANSWERS[taken], keeps_text=keeps_text, outgoing_id=letter.id)
