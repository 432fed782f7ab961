"""What a report does to a row of the ledger, however often and however early it comes.

A 250 is a promise that the next mail server could not always keep. So `sent` may still become
`failed`, or `queued` where another try has a chance. Nothing here commits.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import history
from actionkit.delivery.models import Outgoing, State
from actionkit.delivery.reports import Reading

STEP = "bounce"
"""In place of a step of the SMTP conversation: it came later, as a mail."""
REPORTED = "reported as not delivered: "

MOST_AGAIN = 3
AGAIN_AFTER = dt.timedelta(hours=20)
"""A full mailbox is emptied by a person."""


class Effect(StrEnum):
    FAILED = "failed"
    AGAIN = "tried again later"
    KNOWN = "known already"
    TOO_EARLY = "too early"
    """The row is still being sent: we have not yet stored that the relay took it. Ask again."""


def find(public_id: str) -> Outgoing | None:
    """The row that a report names, as it is now; locked, so that two reports come one after the other."""
    return db.session.scalar(
        sa.select(Outgoing)
        .where(Outgoing.public_id == public_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def bounced(row: Outgoing, reading: Reading) -> Effect:
    """Move a row that a report says was not delivered; once, and only from where it has left."""
    if row.state == State.SENDING:
        return Effect.TOO_EARLY
    has_left = (Outgoing.id == row.id, Outgoing.state.in_([State.SENT, State.UNCERTAIN]))
    values: dict[str, object] = {
        "bounces": Outgoing.bounces + 1,
        "last_step": STEP,
        "last_answer": reading.remark,
        "lease_owner": "",
        "lease_until": None,
    }
    because = f"{REPORTED}{reading.remark}"
    if reading.is_temporary and row.bounces < MOST_AGAIN:
        again = values | {"not_before": db.now() + AGAIN_AFTER, "ended_at": None}
        return Effect.AGAIN if history.move(has_left, State.QUEUED, because, **again) else Effect.KNOWN
    failed = values | {"ended_at": db.now()}
    return Effect.FAILED if history.move(has_left, State.FAILED, because, **failed) else Effect.KNOWN
