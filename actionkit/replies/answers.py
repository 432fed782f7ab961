"""An official's answer to a letter that came through us: counted, and passed on to who wrote the letter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from email.utils import parseaddr
from enum import StrEnum

import sqlalchemy as sa
from flask import current_app

from actionkit import db
from actionkit.campaigns.models import Official
from actionkit.delivery import outbox
from actionkit.delivery.messages import sender_address
from actionkit.delivery.models import Outgoing
from actionkit.replies import contents
from actionkit.replies.models import IncomingMail, LetterAnswer
from actionkit.signing.models import Signature, SignatureState

ANSWER = "answer"
"""The kind of these rows in the ledger; their subject is the answer."""

MOST_A_DAY = 5
"""Answers to one letter that are passed on in 24 hours: two machines that answer each other end there."""


class Taken(StrEnum):
    PASSED_ON = "passed on"
    KNOWN = "known already"
    TOO_MANY = "too many"
    NOBODY = "nobody to pass it on to"
    OURS = "our own"


def take(mail: IncomingMail, letter: Outgoing) -> Taken:
    """Count an answer, and put it into the ledger for the supporter. The letter's row must be locked."""
    assert mail.raw is not None
    if contents.sender(contents.parse(mail.raw))[1].lower() in _our_addresses():
        return Taken.OURS
    signature = db.session.get(Signature, letter.subject_id)
    if signature is None or signature.state not in (SignatureState.CONFIRMED, SignatureState.WITHDRAWN):
        return Taken.NOBODY
    is_one_of_many = _passed_on_today(letter.public_id) >= MOST_A_DAY
    answer_id = db.session.execute(
        db.insert(LetterAnswer)
        .values(
            letter_id=letter.public_id,
            message_key=contents.message_key(mail.raw),
            campaign_id=signature.campaign_id,
            official_id=int(letter.recipient_key.removeprefix("official:")),
            signature_id=signature.id,
            incoming_id=mail.id,
            arrived_at=db.now(),
            is_passed_on=not is_one_of_many,
        )
        .on_conflict_do_nothing()
        .returning(LetterAnswer.id)
    ).scalar()
    if answer_id is None:
        return Taken.KNOWN
    if is_one_of_many:
        return Taken.TOO_MANY
    outbox.put(ANSWER, answer_id, [f"signature:{signature.id}"])
    return Taken.PASSED_ON


def _our_addresses() -> set[str]:
    config = current_app.config["ACTIONKIT"]
    ours = (parseaddr(sender_address())[1], config.mail_bounce_address, config.mail_reply_address)
    return {address.lower() for address in ours if address}


def _passed_on_today(letter_id: str) -> int:
    return db.session.execute(
        sa.select(sa.func.count()).where(
            LetterAnswer.letter_id == letter_id,
            LetterAnswer.is_passed_on,
            LetterAnswer.arrived_at > db.now() - dt.timedelta(days=1),
        )
    ).scalar_one()


def signature_of(answer_id: int) -> sa.Select[int]:
    return sa.select(LetterAnswer.signature_id).where(LetterAnswer.id == answer_id)


def by_official(campaign_id: int) -> Sequence[sa.Row[str, int]]:
    """(official, answers) of a campaign, for those who answered through us. Numbers, and never a text."""
    number = sa.func.count()
    return db.session.execute(
        sa.select(Official.name.label("official"), number.label("n"))
        .join(LetterAnswer, LetterAnswer.official_id == Official.id)
        .where(LetterAnswer.campaign_id == campaign_id)
        .group_by(Official.id, Official.name)
        .order_by(number.desc(), Official.name)
    ).all()


def forget_texts_passed_on() -> int:
    """Delete the text of answers that have left for good; how many."""
    left = (
        sa.select(LetterAnswer.incoming_id)
        .join(Outgoing, sa.and_(Outgoing.kind == ANSWER, Outgoing.subject_id == LetterAnswer.id))
        .where(Outgoing.ended_at < db.now() - KEEP_TEXT, LetterAnswer.incoming_id.is_not(None))
    )
    return db.rows_changed(
        sa.update(IncomingMail).where(IncomingMail.id.in_(left), IncomingMail.raw.is_not(None)).values(raw=None)
    )


def forget(signature_ids: Collection[int]) -> None:
    """Delete what officials answered to these signatures; that they answered stays as a number."""
    mine = sa.select(LetterAnswer.id).where(LetterAnswer.signature_id.in_(signature_ids))
    texts = sa.select(LetterAnswer.incoming_id).where(LetterAnswer.signature_id.in_(signature_ids))
    db.rows_changed(sa.delete(IncomingMail).where(IncomingMail.id.in_(texts)))
    outbox.forget([ANSWER], mine)


KEEP_TEXT = dt.timedelta(days=2)
"""After it was passed on: until then a mailbox that is full may be tried again."""
