"""What to do when the clock was set back: moments in the ledger that now lie too far ahead.

A clock that was two hours fast has written leases, waits and turns that would last two hours too
long once it is put right. Nobody need have watched it happen: a row that says it was made in the
future was made by that clock, and by how much it was fast is how far the newest of them lie ahead.
What waits is moved by just that much, so that a mail that was to wait for an hour still does, and
what is done is dated now.

Any number of workers may do this at once, and one may die in the middle: what was put right no
longer lies ahead. See docs/decisions/0013-clocks-and-standstill.md.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from actionkit import db
from actionkit.clock import TOLERANCE
from actionkit.delivery import claims
from actionkit.delivery.models import Move, Outgoing, OutgoingAttempt, Recipient, State, Turn

NEWEST = 10_000
"""Rows of each table that are asked by how much the clock was fast: the latest know best."""
PAGE = 500

_WRITTEN_AT: tuple[tuple[Any, Any, Any], ...] = (
    # (the row's own id, the id of its mail, when it was written)
    (Outgoing.id, Outgoing.id, Outgoing.created_at),
    (OutgoingAttempt.id, OutgoingAttempt.outgoing_id, OutgoingAttempt.started_at),
    (OutgoingAttempt.id, OutgoingAttempt.outgoing_id, OutgoingAttempt.ended_at),
    (Move.id, Move.outgoing_id, Move.moved_at),
)


def by_how_much() -> dt.timedelta:
    """How far the newest moments of the ledger lie ahead of now; zero where that is less than clocks differ."""
    moment = db.now()
    newest = [db.session.scalar(sa.select(sa.func.max(rows.c.at))) for rows in _newest_rows()]
    ahead = max((at for at in newest if at is not None), default=moment) - moment
    return ahead if ahead > TOLERANCE else dt.timedelta()


def _newest_rows() -> list[sa.Subquery]:
    return [
        sa.select(mail.label("mail"), at.label("at")).order_by(id_.desc()).limit(NEWEST).subquery()
        for id_, mail, at in _WRITTEN_AT
    ]


def shorten_leases() -> None:
    """Let every lease end within its usual time; a worker that lives renews its own long before."""
    ends = db.now() + claims.lease()
    is_leased = Outgoing.state.in_([State.SENDING, State.UNCERTAIN])
    claims.change(claims.unlocked(is_leased, Outgoing.lease_until > ends + TOLERANCE), lease_until=ends)


def bring_mails_forward(ahead: dt.timedelta) -> int:
    """Move the next page of mails that wait for a moment which the fast clock set; how many. 0: there are no more."""
    moment = db.now()
    written_ahead = [
        sa.exists().where(mail == Outgoing.id, at > moment + TOLERANCE) for _id, mail, at in _WRITTEN_AT[1:]
    ]
    rows = db.session.execute(
        sa.select(Outgoing.id, Outgoing.not_before)
        .where(Outgoing.state == State.QUEUED, Outgoing.not_before > moment)
        .where(sa.or_(Outgoing.created_at > moment + TOLERANCE, *written_ahead))
        .limit(PAGE)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        earlier = [{"id": row.id, "not_before": max(moment, row.not_before - ahead)} for row in rows]
        db.session.execute(sa.update(Outgoing), earlier)
        _date([row.id for row in rows], moment)
    return len(rows)


def bring_turns_forward(ahead: dt.timedelta) -> None:
    """The same for recipients, each with a moment before which she gets no further mail, and for turns in their lines.

    A turn that was put off is looked at anew: what is still too soon for it, by its pace or its office's
    hours, is put off again.
    """
    moment = db.now()
    rows = db.session.execute(
        sa.select(Recipient.recipient_key, Recipient.next_at)
        .where(Recipient.next_at > moment + TOLERANCE)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        earlier = [{"recipient_key": row.recipient_key, "next_at": max(moment, row.next_at - ahead)} for row in rows]
        db.session.execute(sa.update(Recipient), earlier)
    turns = db.session.execute(
        sa.select(Turn.recipient_key, Turn.group_key, Turn.last_at)
        .where(Turn.next_at > moment + TOLERANCE)
        .with_for_update(skip_locked=True)
    ).all()
    if turns:
        anew = {"next_at": moment, "counted_at": None}
        db.session.execute(
            sa.update(Turn), [{**row._mapping, **_left_at(row.last_at, moment, ahead), **anew} for row in turns]
        )


def _left_at(last_at: dt.datetime | None, moment: dt.datetime, ahead: dt.timedelta) -> dict[str, dt.datetime]:
    return {"last_at": last_at - ahead} if last_at is not None and last_at > moment else {}


def date_now() -> int:
    """Date the next page of what was written ahead with now; how many mails. 0: there are no more."""
    moment = db.now()
    ahead = sa.union(*(sa.select(rows.c.mail).where(rows.c.at > moment + TOLERANCE) for rows in _newest_rows()))
    ids = claims.unlocked(Outgoing.id.in_(ahead), Outgoing.state != State.SENDING)[:PAGE]
    _date(ids, moment)
    return len(ids)


def _date(ids: list[int], moment: dt.datetime) -> None:
    for _id, mail, at in _WRITTEN_AT:
        db.rows_changed(sa.update(at.class_).where(mail.in_(ids), at > moment).values({at: moment}))
