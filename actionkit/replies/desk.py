"""What staff see of mail that came in, and what they decide about what no program understood. Nothing here commits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Official
from actionkit.delivery import bounces
from actionkit.delivery.bounces import Effect
from actionkit.delivery.models import Outgoing
from actionkit.delivery.reports import MAILBOX_FULL, Nature, Reading
from actionkit.paging import Page, page_of
from actionkit.replies import contents, handling
from actionkit.replies.models import IncomingMail, IncomingState

BY_STAFF = "as staff read it"
"""What stands in a letter's history where a mail server's words would."""
LONGEST_SHOWN = 20_000

_AN_ID = re.compile(rb"\b[0-9a-f]{32}\b")
MOST_IDS = 50


def waiting() -> int:
    """How many mails wait for a person."""
    return db.session.execute(
        sa.select(sa.func.count()).where(IncomingMail.state == IncomingState.WAITING)
    ).scalar_one()


def by_state() -> dict[str, int]:
    rows = db.session.execute(sa.select(IncomingMail.state, sa.func.count().label("n")).group_by(IncomingMail.state))
    return {row.state: row.n for row in rows}


def mails(state: str, number: int) -> Page[sa.Row[*tuple[Any, ...]]]:
    """Mails in a state, the latest first; of what the programs understood no text is kept."""
    return page_of(
        sa.select(
            IncomingMail.public_id,
            IncomingMail.received_at,
            IncomingMail.state,
            IncomingMail.finding,
            IncomingMail.size,
            IncomingMail.source,
        )
        .where(IncomingMail.state == state)
        .order_by(IncomingMail.id.desc()),
        number,
    )


def find(public_id: str) -> IncomingMail | None:
    return db.session.scalar(sa.select(IncomingMail).where(IncomingMail.public_id == public_id))


@dataclass(frozen=True)
class Shown:
    """A mail as staff read it: text alone, and only of what waits for them."""

    subject: str
    sender: str
    text: str
    is_cut: bool


def read(mail: IncomingMail) -> Shown | None:
    """The text of a mail that waits; None for any other. A mail that no program can take apart is shown as it came."""
    if mail.raw is None or mail.state != IncomingState.WAITING:
        return None
    try:
        came = contents.read(mail.raw, is_cut=mail.is_cut)
    except Exception:  # the library's parser fails in many ways on what is no mail
        text = contents.clean_text(mail.raw.decode("utf-8", "replace"))
        return Shown("", "", text[:LONGEST_SHOWN], len(text) > LONGEST_SHOWN)
    text = came.text or contents.clean_text(mail.raw.decode("utf-8", "replace"))
    sender = " ".join(part for part in (came.sender_name, came.sender_address) if part)
    return Shown(came.subject, sender, text[:LONGEST_SHOWN], came.is_cut or len(text) > LONGEST_SHOWN)


@dataclass(frozen=True)
class Candidate:
    """A mail of ours that a report may be about. `to` is an official's name, or "" for anybody else."""

    public_id: str
    kind: str
    state: str
    to: str
    sent_at: Any


def candidates(mail: IncomingMail) -> Sequence[Candidate]:
    """Mails of ours whose id stands somewhere in this one, or that its address names."""
    ids = list(dict.fromkeys(match.decode() for match in _AN_ID.findall(mail.raw or b"")))[:MOST_IDS]
    which: sa.ColumnElement[bool] = Outgoing.public_id.in_(ids)
    if mail.outgoing_id is not None:
        which = sa.or_(which, Outgoing.id == mail.outgoing_id)
    rows = db.session.execute(
        sa.select(
            Outgoing.public_id,
            Outgoing.kind,
            Outgoing.state,
            sa.func.coalesce(Official.name, "").label("to"),
            sa.func.coalesce(Outgoing.ended_at, Outgoing.created_at).label("sent_at"),
        )
        .outerjoin(Official, Outgoing.recipient_key == sa.literal("official:") + sa.cast(Official.id, sa.String))
        .where(which)
        .order_by(Outgoing.id.desc())
    )
    return [Candidate(**row._mapping) for row in rows]


# ---------------------------------------------------------------- what staff decide


def say_bounced(mail: IncomingMail, outgoing_id: str, *, is_for_good: bool) -> Effect | None:
    """The mail is a report that this one of ours was not delivered; None if it is none of ours, or was settled.

    As if a program had understood it; for good, or so that it is tried again.
    """
    row = bounces.find(outgoing_id)
    if row is None:
        return None
    reading = Reading(Nature.FAILED, "" if is_for_good else MAILBOX_FULL, BY_STAFF)
    effect = handling.mark_bounced(row, reading)
    if effect is Effect.TOO_EARLY:
        return effect
    return effect if _settle(mail, IncomingState.HANDLED, handling.BOUNCED, row.id) else None


def ignore(mail: IncomingMail) -> bool:
    """It means nothing to us; its text is deleted. False if somebody has settled it already."""
    return _settle(mail, IncomingState.IGNORED, mail.finding, mail.outgoing_id)


def _settle(mail: IncomingMail, state: IncomingState, words: str, outgoing_id: int | None) -> bool:
    return bool(
        db.rows_changed(
            sa.update(IncomingMail)
            .where(IncomingMail.id == mail.id, IncomingMail.state == IncomingState.WAITING)
            .values(state=state, finding=words, outgoing_id=outgoing_id, raw=None, handled_at=db.now())
        )
    )
