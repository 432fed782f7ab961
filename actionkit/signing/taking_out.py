"""Staff take signatures out of the count, many in one transaction, and put them back as they were.

Counts, public names and letters follow. Nothing here commits.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import outbox
from actionkit.languages import gettext_noop
from actionkit.letters.operations import queue_letters_again, stop_letters
from actionkit.signing import counting
from actionkit.signing.counting import Trace
from actionkit.signing.models import Signature, SignatureState, Submission
from actionkit.signing.operations import CONFIRMATION

CAN_BE_TAKEN_OUT = (SignatureState.CONFIRMED, SignatureState.PENDING, SignatureState.HELD)
PUT_BACK = gettext_noop("put back by staff")


@dataclass(frozen=True)
class Before:
    """How a signature stood before it was taken out."""

    signature_id: int
    state: str
    reason: str
    is_name_public: bool


@dataclass(frozen=True)
class _Counted:
    """A signature as the counter knows it; it has a moment, a country and the rest once it was confirmed."""

    id: int
    campaign_id: int
    confirmed_at: dt.datetime | None
    country: str | None
    language: str | None
    source: str | None

    def trace(self, delta: int, removed: int) -> list[Trace]:
        if self.confirmed_at is None or self.country is None:
            return []
        kind = {"language": self.language or "", "source": self.source or ""}
        return [Trace(self.campaign_id, self.confirmed_at, self.country, delta, removed, **kind)]


def lock(signature_ids: Collection[int]) -> None:
    """Let nothing else happen to these signatures until the transaction ends.

    In the order of their ids everywhere, so that two of these wait for each other and never in a
    ring. On SQLite a transaction that writes is alone anyway.
    """
    db.session.execute(
        sa.select(Signature.id).where(Signature.id.in_(signature_ids)).order_by(Signature.id).with_for_update()
    ).all()


def take_out(signature_ids: Collection[int], because: str) -> list[Before]:
    """Take out those that can be; how each of them stood before. Letters that have not left stop."""
    lock(signature_ids)
    which = (Signature.id.in_(signature_ids), Signature.state.in_(CAN_BE_TAKEN_OUT))
    rows = db.session.execute(
        sa.select(Signature.id, Signature.state, Signature.state_reason, Signature.is_name_public)
        .where(*which)
        .order_by(Signature.id)
    ).all()
    befores = [Before(*row) for row in rows]
    ids = [before.signature_id for before in befores]
    counted = _as_counted(ids)
    traces = []
    for before in befores:
        delta = -int(before.state == SignatureState.CONFIRMED)
        traces += counted[before.signature_id].trace(delta, +1)
    _move(ids, Signature.state.in_(CAN_BE_TAKEN_OUT), SignatureState.INVALIDATED, because, is_name_public=False)
    counting.leave_traces(traces)
    stop_letters(sa.select(Signature.id).where(Signature.id.in_(ids)))
    return befores


def put_back(befores: Sequence[Before], because: str) -> list[int]:
    """Put back those that are out for this reason still; their ids.

    Confirmed ones count again under the hour of their confirmation. Mails that stopped and had
    not left are queued again.
    """
    ids = [before.signature_id for before in befores]
    lock(ids)
    is_out = sa.and_(Signature.state == SignatureState.INVALIDATED, Signature.state_reason == because)
    # Of one that was never confirmed, time may have deleted what was sent: there is nothing to put back.
    has_any = sa.select(Submission.id).where(Submission.signature_id == Signature.id).exists()
    still = list(db.session.scalars(sa.select(Signature.id).where(Signature.id.in_(ids), is_out, has_any)))
    counted = _as_counted(still)
    alike: dict[tuple[str, str, bool], list[int]] = defaultdict(list)
    traces = []
    for before in befores:
        if (one := counted.get(before.signature_id)) is not None:
            alike[before.state, before.reason, before.is_name_public].append(one.id)
            traces += one.trace(int(before.state == SignatureState.CONFIRMED), -1)
    for (state, reason, is_name_public), same in alike.items():
        _move(same, is_out, state, reason, is_name_public=is_name_public)
        if state == SignatureState.CONFIRMED:
            queue_letters_again(sa.select(Signature.id).where(Signature.id.in_(same)))
        elif state == SignatureState.PENDING:
            outbox.revive(CONFIRMATION, sa.select(Submission.id).where(Submission.signature_id.in_(same)))
    counting.leave_traces(traces)
    return sorted(counted)


def put_back_one(signature: Signature) -> bool:
    """Put back a signature that staff took out by itself; False if it is not out for that reason.

    One that had been confirmed counts again, any other waits for staff as it did.
    """
    is_confirmed = signature.confirmed_at is not None
    before = Before(
        signature.id,
        SignatureState.CONFIRMED if is_confirmed else SignatureState.HELD,
        "" if is_confirmed else PUT_BACK,
        is_confirmed and _wants_to_be_shown(signature),
    )
    return bool(put_back([before], counting.BY_STAFF))


def can_be_put_back(state: str, reason: str) -> bool:
    """Whether a signature is out because staff took it out, and not by its owner's wish."""
    return state == SignatureState.INVALIDATED and reason in (counting.BY_STAFF, counting.BY_RULE)


def _move(
    ids: Collection[int], is_still: sa.ColumnElement[bool], state: str, reason: str, *, is_name_public: bool
) -> None:
    db.rows_changed(
        sa.update(Signature)
        .where(Signature.id.in_(ids), is_still)
        .values(state=state, state_reason=reason, is_name_public=is_name_public)
    )


def _as_counted(ids: Collection[int]) -> dict[int, _Counted]:
    rows = db.session.execute(
        sa.select(
            Signature.id,
            Signature.campaign_id,
            Signature.confirmed_at,
            Submission.country,
            Submission.language,
            Submission.source,
        )
        .outerjoin(Submission, Submission.id == Signature.submission_id)
        .where(Signature.id.in_(ids))
        .order_by(Signature.id)
    )
    return {row.id: _Counted(*row) for row in rows}


def _wants_to_be_shown(signature: Signature) -> bool:
    wish = db.session.scalar(sa.select(Submission.show_name).where(Submission.id == signature.submission_id))
    return bool(wish)
