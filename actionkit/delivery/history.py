"""What happened to a mail, in order: tries, and changes without one. Each has its time and its reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery.models import Move, Outgoing, OutgoingAttempt, State

LONGEST_REASON = 300


@dataclass(frozen=True)
class Event:
    """One line of a mail's history. A change without a try has no step; an open try has no outcome."""

    at: dt.datetime
    is_try: bool
    outcome: str
    step: str
    said: str
    """What the mail server said, or why it was changed; never an address."""
    ended_at: dt.datetime | None


def of(outgoing_id: int) -> list[Event]:
    """Everything that is known of one mail since it was put, the earliest first."""
    tries = db.session.scalars(sa.select(OutgoingAttempt).where(OutgoingAttempt.outgoing_id == outgoing_id))
    moves = db.session.scalars(sa.select(Move).where(Move.outgoing_id == outgoing_id))
    events = [Event(t.started_at, True, t.outcome, t.step, t.answer, t.ended_at) for t in tries]
    events += [Event(m.moved_at, False, m.state, "", m.because, m.moved_at) for m in moves]
    return sorted(events, key=lambda event: event.at)


def move(which: Iterable[sa.ColumnElement[bool]], state: State, because: str, **values: object) -> list[int]:
    """Bring the rows that these conditions find to a state, and note it in the history of each; their ids.

    The conditions must name the states from which it may be done: so it happens once, however
    many try at the same moment.
    """
    changed = (
        sa.update(Outgoing)
        .where(*which)
        .values(state=state, **values)
        .returning(Outgoing.id)
        .execution_options(synchronize_session=False)
    )
    ids = list(db.session.scalars(changed))
    note(ids, state, because)
    return ids


def note(ids: Sequence[int], state: State, because: str) -> None:
    """Add a change without a try to the history of each of these rows."""
    if ids:
        moment = db.now()
        row = {"moved_at": moment, "state": state.value, "because": because[:LONGEST_REASON]}
        db.session.execute(sa.insert(Move), [{"outgoing_id": id_, **row} for id_ in ids])


def from_the_beginning() -> dict[str, object]:
    """The columns of a mail that is tried again from the beginning; its Message-ID and its links stay."""
    return {
        "not_before": db.now(),
        "ended_at": None,
        "give_up_at": None,
        "attempts": 0,
        "bounces": 0,
        "lease_owner": "",
        "lease_until": None,
        "last_step": "",
        "last_answer": "",
    }
