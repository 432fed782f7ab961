"""A pause of all sending: mails wait in the ledger as they are, and signing goes on.

Staff may ask for one, and a restored copy of a database begins with one: see `restored_copy`. To
end it is a person's decision, since what the copy holds as due may have left before.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import history, restored_copy
from actionkit.delivery.models import Outgoing, PauseReason, Sending, State

log = logging.getLogger(__name__)

SAY_AGAIN_SECONDS = 600.0
FROM_BEFORE = "from before a restore: it may have left after the backup was made"


class OldMailsWait(Exception):
    """Mails from before the restore are due; whoever ends the pause has to say what becomes of them."""


@dataclass(frozen=True)
class Pause:
    """Since when nothing leaves, and why.

    `last_sent_at` is when the database last sent, before it became a copy.
    """

    since: dt.datetime
    because: PauseReason
    last_sent_at: dt.datetime

    @property
    def is_after_restore(self) -> bool:
        return self.because is PauseReason.RESTORED


@dataclass(frozen=True)
class Waiting:
    """Mails that wait: `due` ones leave when the pause ends, `later` ones when it is their time.

    `old` ones, of either kind, were put before the copy was noticed, and may have left already.
    """

    due: int
    later: int
    old: int


# ---------------------------------------------------------------- asking

_said_at = 0.0


def may_leave() -> bool:
    """Whether mails may be claimed, in the transaction at hand. Asked at every claim."""
    global _said_at
    row = restored_copy.look()
    if row.paused_at is None:
        _said_at = 0.0
        return True
    if not _said_at or time.monotonic() - _said_at > SAY_AGAIN_SECONDS:
        _said_at = time.monotonic()
        log.warning(
            "sending is paused: nothing leaves until somebody ends the pause (actionkit sending resume)",
            extra={"since": row.paused_at.isoformat(), "because": str(row.paused_because)},
        )
    return False


def current() -> Pause | None:
    """The pause there is, if there is one. Changes nothing."""
    row = restored_copy.read()
    if row is None or row.paused_at is None:
        return None
    return Pause(row.paused_at, PauseReason(row.paused_because), row.raised_at)


def waiting() -> Waiting:
    """What waits at this moment."""
    pause, moment = current(), db.now()
    is_due = Outgoing.not_before <= moment
    query = sa.select(sa.func.count())
    due = query.where(Outgoing.state == State.QUEUED, is_due)
    later = query.where(Outgoing.state == State.QUEUED, ~is_due)
    old = query.where(*_put_before(pause.since)) if pause and pause.is_after_restore else sa.select(sa.literal(0))
    return Waiting(*(db.session.execute(each).scalar_one() for each in (due, later, old)))


def _put_before(moment: dt.datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Mails that were there when the copy was noticed and would leave, or leave once more.

    What was `sending` or fell silent was so in the installation that the copy was made of.
    """
    is_unclear = sa.and_(Outgoing.state == State.UNCERTAIN, Outgoing.lease_until.is_not(None))
    return (
        Outgoing.created_at <= moment,
        sa.or_(Outgoing.state.in_([State.QUEUED, State.SENDING]), is_unclear),
    )


# ---------------------------------------------------------------- pausing, resuming


def pause() -> bool:
    """Let nothing leave from now on, but what a worker has in its hands; False if it was so already."""
    restored_copy.look()
    return bool(
        db.rows_changed(
            sa.update(Sending)
            .where(Sending.id == restored_copy.ONLY, Sending.paused_at.is_(None))
            .values(paused_at=db.now(), paused_because=PauseReason.STAFF)
        )
    )


def resume(*, send_old: bool | None = None) -> int | None:
    """End the pause; how many mails were cancelled, None if there was no pause.

    Where mails from before a restore wait, `send_old` says whether they leave (perhaps a second
    time) or are cancelled (perhaps without ever having left). Raises `OldMailsWait` if it does not.
    """
    row = restored_copy.look()
    if row.paused_at is None:
        return None
    cancelled = 0
    if row.paused_because == PauseReason.RESTORED and waiting().old:
        if send_old is None:
            raise OldMailsWait
        if not send_old:
            cancelled = _cancel_old(row.paused_at)
    ended = db.rows_changed(
        sa.update(Sending)
        .where(Sending.id == restored_copy.ONLY, Sending.paused_at == row.paused_at)
        .values(paused_at=None, paused_because="")
    )
    return cancelled if ended else None


def _cancel_old(noticed_at: dt.datetime) -> int:
    """Marked as ones that may have left, so that nothing queues them again by itself."""
    values = {"ended_at": db.now(), "lease_owner": "", "lease_until": None, "is_maybe_twice": True}
    return len(history.move(_put_before(noticed_at), State.CANCELLED, FROM_BEFORE, **values))
