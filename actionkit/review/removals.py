"""Removals: signatures taken out together by a rule that staff counted first, and put back if they ask for it.

    counted ──► running ──► done ──► undoing ──► undone
                   │                    ▲
                   └──► stopped ────────┘

Counting only reads. The job works in batches: `next_batch` finds what is to do, reading only, so
that a long look holds up nobody who signs; `work_off` does it in one short transaction. The
removal's position moves in that transaction, from where it was found: a batch that was cancelled,
or done by another worker meanwhile, changes nothing, and a job that dies goes on where it was.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.delivery.models import Outgoing, State
from actionkit.letters.operations import LETTER
from actionkit.paging import Page, page_of
from actionkit.review.models import Removal, RemovalState, RemovedSignature
from actionkit.review.removal_rules import Rule, in_range, matching
from actionkit.signing import counting, taking_out
from actionkit.signing.models import Signature, SignatureState, Submission
from actionkit.signing.submissions import SPEAKS_FOR_IT
from actionkit.signing.taking_out import Before
from actionkit.staff import audit
from actionkit.staff.models import StaffMember

BATCH = 500
RANGE = 50_000
"""Ids of signatures that are looked through by one statement."""
COUNT_SECONDS = 10.0
"""Counting ends here: somebody waits for the page."""
SAMPLE = 10
ABANDONED_AFTER = dt.timedelta(days=7)

IN_WORK = (RemovalState.RUNNING, RemovalState.UNDOING)
CAN_BE_UNDONE = (RemovalState.DONE, RemovalState.STOPPED)
_NOT_SENT = (State.QUEUED, State.HELD, State.FROZEN)


class TooMuchToCount(Exception):
    """The campaign has more signatures than can be looked through while somebody waits."""


# ---------------------------------------------------------------- count


@dataclass(frozen=True)
class Found:
    """What a rule matched when it was counted."""

    last_signature_id: int
    by_state: dict[str, int]
    letters: int
    """Letters that have not left, and would stop."""
    sample: list[int]
    """The ids of some."""

    @property
    def total(self) -> int:
        return sum(self.by_state.values())


def count(campaign_id: int, rule: Rule) -> Found:
    """Count what a rule matches at this moment, holding up nobody. Raises `TooMuchToCount`."""
    deadline = time.monotonic() + COUNT_SECONDS
    by_state: dict[str, int] = dict.fromkeys(map(str, rule.states), 0)
    letters = 0
    sample: list[int] = []
    with db.snapshot() as moment:
        last = moment.scalar(sa.select(sa.func.max(Signature.id))) or 0
        for after in range(0, last, RANGE):
            up_to = min(after + RANGE, last)
            found = matching(campaign_id, rule, *in_range(after, up_to))
            for state, number in moment.execute(
                found.with_only_columns(Signature.state, sa.func.count()).group_by(Signature.state)
            ):
                by_state[state] += number
            if sum(by_state.values()) > len(sample) and len(sample) < SAMPLE:
                sample += moment.scalars(found.order_by(Signature.id).limit(SAMPLE - len(sample)))
            if by_state.get(SignatureState.CONFIRMED):
                letters += moment.execute(_letters_of(found, after, up_to)).scalar_one()
            if time.monotonic() > deadline:
                raise TooMuchToCount
    return Found(last, by_state, letters, sample)


def _letters_of(signatures: sa.Select[int], after: int, up_to: int) -> sa.Select[int]:
    return (
        sa.select(sa.func.count())
        .select_from(Outgoing)
        .where(Outgoing.kind == LETTER, Outgoing.subject_id > after, Outgoing.subject_id <= up_to)
        .where(Outgoing.state.in_(_NOT_SENT), Outgoing.subject_id.in_(signatures))
    )


def add(campaign_id: int, rule: Rule, found: Found, staff_id: int | None) -> Removal:
    """Keep a rule with its count, to be started or left."""
    counts = {"by_state": found.by_state, "letters": found.letters, "sample": found.sample}
    removal = Removal(
        public_id=db.new_public_id(),
        campaign_id=campaign_id,
        rule={**rule.stored(), "found": counts},
        reason="",
        counted=found.total,
        last_signature_id=found.last_signature_id,
        staff_id=staff_id,
    )
    db.session.add(removal)
    return removal


def found_by(removal: Removal) -> Found:
    """What was found when the removal was counted."""
    return Found(removal.last_signature_id, **removal.rule["found"])


def sample(removal: Removal) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """Some of the signatures that were found, as they are now."""
    return db.session.execute(
        sa.select(
            Signature.state,
            Signature.signed_at,
            Submission.name,
            Submission.email,
            Submission.country,
            Submission.comment,
            Submission.language,
        )
        .join(Submission, SPEAKS_FOR_IT)
        .where(Signature.id.in_(found_by(removal).sample))
        .order_by(Signature.id)
    ).all()


def forget_abandoned() -> None:
    """Delete rules that were counted a week ago and never started: what they look for may be a name."""
    db.session.execute(
        sa.delete(Removal).where(Removal.state == RemovalState.COUNTED, Removal.created_at < db.now() - ABANDONED_AFTER)
    )


# ---------------------------------------------------------------- find


def find(campaign_id: int, public_id: str) -> Removal | None:
    return db.session.scalar(
        sa.select(Removal).where(Removal.public_id == public_id, Removal.campaign_id == campaign_id)
    )


def who_began(removal: Removal) -> str:
    """The address of the member who counted or started it; "" for one who is gone."""
    return db.session.scalar(sa.select(StaffMember.email).where(StaffMember.id == removal.staff_id)) or ""


def of_campaign(campaign_id: int, number: int) -> Page[sa.Row[*tuple[Any, ...]]]:
    """A page of the campaign's removals, each with the address of who began it, the latest first."""
    query = (
        sa.select(Removal, StaffMember.email.label("who"))
        .outerjoin(StaffMember, StaffMember.id == Removal.staff_id)
        .where(Removal.campaign_id == campaign_id)
        .order_by(Removal.id.desc())
    )
    return page_of(query, number)


# ---------------------------------------------------------------- start, stop, undo


def start(removal: Removal, reason: str, staff_id: int | None) -> bool:
    """Let the job take out what was counted; False if it was started before."""
    return _move(removal, [RemovalState.COUNTED], RemovalState.RUNNING, reason=reason, staff_id=staff_id)


def stop(removal: Removal) -> bool:
    """Take out no more. What has been taken out stays out; False if nothing is being taken out."""
    return _move(removal, [RemovalState.RUNNING], RemovalState.STOPPED, ended_at=db.now())


def undo(removal: Removal) -> bool:
    """Let the job put back what was taken out; False if that cannot be, or is done."""
    return _move(removal, CAN_BE_UNDONE, RemovalState.UNDOING, position=0, ended_at=None)


def _move(removal: Removal, states: Sequence[RemovalState], to: RemovalState, **values: Any) -> bool:
    return bool(
        db.rows_changed(
            sa.update(Removal).where(Removal.id == removal.id, Removal.state.in_(states)).values(state=to, **values)
        )
    )


# ---------------------------------------------------------------- the job


@dataclass(frozen=True)
class Batch:
    """What a removal has to do next, from `position` on, as it was found."""

    removal_id: int
    state: RemovalState
    position: int
    signature_ids: list[int]
    up_to: int
    """The position when it is done."""
    is_last: bool


def next_batch() -> Batch | None:
    """Something to do for one of the removals in work, or None where none is. Only reads.

    One of them by chance, so that one which fails holds up no other.
    """
    removal = db.session.scalar(
        sa.select(Removal)
        .where(Removal.state.in_(IN_WORK))
        .order_by(sa.func.random())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    if removal is None:
        return None
    return _to_take_out(removal) if removal.state == RemovalState.RUNNING else _to_put_back(removal)


def _to_take_out(removal: Removal) -> Batch:
    up_to = min(removal.position + RANGE, removal.last_signature_id)
    found = matching(removal.campaign_id, Rule.of(removal.rule), *in_range(removal.position, up_to))
    ids = list(db.session.scalars(found.order_by(Signature.id).limit(BATCH)))
    if len(ids) == BATCH:
        up_to = ids[-1]
    return Batch(
        removal.id, RemovalState.RUNNING, removal.position, ids, up_to, is_last=up_to >= removal.last_signature_id
    )


def _to_put_back(removal: Removal) -> Batch:
    ids = list(
        db.session.scalars(
            sa.select(RemovedSignature.signature_id)
            .where(RemovedSignature.removal_id == removal.id, RemovedSignature.signature_id > removal.position)
            .order_by(RemovedSignature.signature_id)
            .limit(BATCH)
        )
    )
    up_to = ids[-1] if ids else removal.position
    return Batch(removal.id, RemovalState.UNDOING, removal.position, ids, up_to, is_last=len(ids) < BATCH)


def work_off(batch: Batch) -> int:
    """Do it, in the transaction at hand; how many signatures were moved."""
    claimed = db.rows_changed(
        sa.update(Removal)
        .where(Removal.id == batch.removal_id, Removal.state == batch.state, Removal.position == batch.position)
        .values(position=batch.up_to)
    )
    if not claimed:
        return 0  # it was cancelled, or another worker was quicker
    removal = _as_it_is(batch.removal_id)
    if batch.state == RemovalState.RUNNING:
        moved = _take_out(removal, batch.signature_ids)
        removal.removed += moved
    else:
        moved = _put_back(removal, batch.signature_ids)
        removal.restored += moved
    if batch.is_last:
        _end(removal)
    return moved


def _as_it_is(removal_id: int, *, is_locked: bool = False) -> Removal:
    query = sa.select(Removal).where(Removal.id == removal_id).execution_options(populate_existing=True)
    return db.session.execute(query.with_for_update() if is_locked else query).scalar_one()


def _take_out(removal: Removal, signature_ids: list[int]) -> int:
    """Take out those for which the rule holds still, and keep how each of them stood."""
    taking_out.lock(signature_ids)  # from here on, what the rule looks at stays as it is
    still = matching(removal.campaign_id, Rule.of(removal.rule), Signature.id.in_(signature_ids))
    befores = taking_out.take_out(list(db.session.scalars(still)), counting.BY_RULE)
    if befores:
        db.session.execute(
            sa.insert(RemovedSignature),
            [
                {
                    "removal_id": removal.id,
                    "signature_id": before.signature_id,
                    "was_state": before.state,
                    "was_reason": before.reason,
                    "was_name_public": before.is_name_public,
                }
                for before in befores
            ],
        )
    return len(befores)


def _put_back(removal: Removal, signature_ids: list[int]) -> int:
    rows = db.session.scalars(
        sa.select(RemovedSignature)
        .where(RemovedSignature.removal_id == removal.id, RemovedSignature.signature_id.in_(signature_ids))
        .order_by(RemovedSignature.signature_id)
    )
    befores = [Before(row.signature_id, row.was_state, row.was_reason, row.was_name_public) for row in rows]
    back = taking_out.put_back(befores, counting.BY_RULE)
    db.rows_changed(
        sa.delete(RemovedSignature).where(
            RemovedSignature.removal_id == removal.id, RemovedSignature.signature_id.in_(back)
        )
    )
    return len(back)


def _end(removal: Removal) -> None:
    is_undone = removal.state == RemovalState.UNDOING
    removal.state = RemovalState.UNDONE if is_undone else RemovalState.DONE
    removal.ended_at = db.now()
    slug = db.session.execute(sa.select(Campaign.slug).where(Campaign.id == removal.campaign_id)).scalar_one()
    audit.record(
        f"removal-{removal.state}",
        slug,
        removal=removal.public_id,
        counted=removal.counted,
        removed=removal.removed,
        restored=removal.restored,
    )


# ---------------------------------------------------------------- one signature


def put_back_one(signature: Signature) -> bool:
    """Put back one signature that staff took out, by itself or by a rule; False if it is not out for that."""
    if signature.state_reason != counting.BY_RULE:
        return taking_out.put_back_one(signature)
    row = db.session.scalar(sa.select(RemovedSignature).where(RemovedSignature.signature_id == signature.id))
    if row is None:
        return False
    # The removal first, as in `work_off`: two that want both never wait for each other in a ring.
    removal = _as_it_is(row.removal_id, is_locked=True)
    moved = _put_back(removal, [signature.id])
    removal.restored += moved
    return bool(moved)
