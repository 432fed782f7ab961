"""What time does to a signature that is not confirmed: reminders, expiry, deletion.

Each work is a pair: `due_…` finds the next page of ids after one, reading only, so that a long
look holds up nobody who signs; its partner locks those that are still due, and moves them.
`jobs.py` walks through the pages, one short transaction each. See docs/signatures.md.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from actionkit import db
from actionkit.campaigns.models import Campaign, Phase
from actionkit.delivery import outbox
from actionkit.delivery.models import Outgoing, State
from actionkit.signing import counting
from actionkit.signing.allowance import use_allowance
from actionkit.signing.models import MailStop, Signature, SignatureState, Submission
from actionkit.signing.operations import (
    CONFIRM_WITHIN,
    CONFIRMATION,
    Signed,
    may_mail,
    refuse_if_over,
)

REMINDER = "reminder"
"""The kind of these rows in the ledger; their subject is the submission."""

REMIND_AFTER = (dt.timedelta(hours=24), dt.timedelta(days=3))
"""How long after the last mail about it; a signature gets as many reminders as stand here."""
KEEP_UNCONFIRMED = dt.timedelta(days=30)

PAGE = 500
PAGE_OF_REMINDERS = 100
"""Few: each of them is several statements, and on SQLite nobody signs meanwhile."""
BETWEEN_PAGES = dt.timedelta(seconds=20)
"""Reminders leave page by page, so that whoever signs now waits for her mail behind a hundred at most."""
MOST_REMINDERS = 3_000
"""In one run of the job: what its rhythm of ten minutes holds at that pace."""
RANGE = 50_000

_KINDS = (CONFIRMATION, REMINDER)
_last_mail_at = sa.func.coalesce(Signature.mailed_at, Signature.signed_at)
_NEVER_CONFIRMED = Signature.confirmed_at.is_(None)
UNCONFIRMED = (SignatureState.PENDING, SignatureState.EXPIRED, SignatureState.HELD)

Conditions = tuple[sa.ColumnElement[bool], ...]


def campaigns() -> list[Campaign]:
    """All campaigns as they are now, belonging to no session: to ask them for their phase."""
    return db.detached(lambda session: list(session.scalars(sa.select(Campaign).order_by(Campaign.id))))


def _next(campaign: Campaign, after: int, most: int, *which: sa.ColumnElement[bool]) -> list[int]:
    """The next signatures of a campaign, by the index on (campaign_id, state, id)."""
    return list(
        db.session.scalars(
            sa.select(Signature.id)
            .where(Signature.campaign_id == campaign.id, Signature.id > after, *which)
            .order_by(Signature.id)
            .limit(most)
        )
    )


def _locked(ids: list[int], *which: sa.ColumnElement[bool]) -> list[int]:
    """Those that are as they were when they were found, locked; one that somebody else has waits for the next run.

    Looked at twice: the first look may be older than what was sent just before the lock was had.
    """
    query = sa.select(Signature.id).where(Signature.id.in_(ids), *which)
    mine = list(db.session.scalars(query.with_for_update(skip_locked=True)))
    return list(db.session.scalars(sa.select(Signature.id).where(Signature.id.in_(mine), *which)))


def _submissions_of(signature_ids: list[int]) -> outbox.Subjects:
    return sa.select(Submission.id).where(Submission.signature_id.in_(signature_ids))


def _is_about(submissions: outbox.Subjects) -> Conditions:
    """The mails of these. Not joined: SQLite would then go through the ledger, and look up a submission for each."""
    return (Outgoing.kind.in_(_KINDS), Outgoing.subject_id.in_(submissions))


# ---------------------------------------------------------------- expiry


def _may_have_run_out(campaign: Campaign) -> Conditions:
    """Pending signatures whose last mail is a week old, or of which none can be confirmed any more."""
    is_pending = Signature.state == SignatureState.PENDING
    return (is_pending,) if _is_over(campaign) else (is_pending, _last_mail_at < db.now() - CONFIRM_WITHIN)


def _is_over(campaign: Campaign) -> bool:
    moment = db.now()
    return campaign.phase(moment) is Phase.CLOSED and not campaign.can_confirm(moment)


def due_to_expire(campaign: Campaign, after: int) -> list[int]:
    return _next(campaign, after, PAGE, *_may_have_run_out(campaign))


def expire(campaign: Campaign, ids: list[int]) -> int:
    """End those that nobody can confirm any more; how many.

    A mail that waits for a relay, or that left late, still holds a link that works.
    """
    old = _locked(ids, *_may_have_run_out(campaign))
    spared = set() if _is_over(campaign) else _with_a_link(old)
    over = [id_ for id_ in old if id_ not in spared]
    return db.rows_changed(sa.update(Signature).where(Signature.id.in_(over)).values(state=SignatureState.EXPIRED))


def _with_a_link(signature_ids: list[int]) -> set[int]:
    """Signatures of which a mail is to leave, or left less than a week ago."""
    is_waiting = Outgoing.state.in_([State.QUEUED, State.SENDING])
    is_young = Outgoing.first_tried_at >= db.now() - CONFIRM_WITHIN
    submission_ids = db.session.scalars(
        sa.select(Outgoing.subject_id).where(*_is_about(_submissions_of(signature_ids)), sa.or_(is_waiting, is_young))
    ).all()
    return set(db.session.scalars(sa.select(Submission.signature_id).where(Submission.id.in_(submission_ids))))


def send_new_link(signed: Signed) -> None:
    """The owner of the address asks for a new link in place of one that has run out.

    Under the limits of mails, as if she signed again. Tells nobody whether a mail leaves.
    """
    refuse_if_over(signed)
    signature, submission = signed.signature, signed.submission
    if signature.state == SignatureState.HELD or not may_mail(signature.id, signature.canonical_email, db.now()):
        return
    db.rows_changed(
        sa.update(Signature)
        .where(Signature.id == signature.id, Signature.state == SignatureState.EXPIRED)
        .values(state=SignatureState.PENDING)
    )
    number = outbox.count(CONFIRMATION, submission.id) + 1
    outbox.put(CONFIRMATION, submission.id, [f"submission:{submission.id}:{number}"])


# ---------------------------------------------------------------- reminders


def _wants_reminder() -> Conditions:
    moment = db.now()
    is_time = [
        sa.and_(Signature.reminders == number, moment - wait >= _last_mail_at)
        for number, wait in enumerate(REMIND_AFTER)
    ]
    is_stopped = sa.select(MailStop.canonical_email).where(MailStop.canonical_email == Signature.canonical_email)
    return (
        Signature.state == SignatureState.PENDING,
        sa.or_(*is_time),
        _last_mail_at > moment - CONFIRM_WITHIN,
        ~is_stopped.exists(),
    )


class Reminders:
    """The reminders that one run of the job puts into the ledger, a page at a time."""

    def __init__(self) -> None:
        self._begun_at = db.now()
        self._put = 0

    def due(self, campaign: Campaign, after: int) -> list[int]:
        if campaign.phase(db.now()) is not Phase.OPEN or self._put >= MOST_REMINDERS:
            return []
        return _next(campaign, after, PAGE_OF_REMINDERS, *_wants_reminder())

    def put(self, ids: list[int]) -> int:
        """Remind of each, under the limit of mails to its address; how many."""
        moment = db.now()
        rows = db.session.execute(
            sa.select(Signature.id, Signature.canonical_email, Signature.reminders)
            .where(Signature.id.in_(ids), *_wants_reminder())
            # Allowances are taken in one order everywhere, so that two jobs never wait for each other in a ring.
            .order_by(Signature.canonical_email)
            .with_for_update(skip_locked=True)
        ).all()
        not_before = self._begun_at + self._put // PAGE_OF_REMINDERS * BETWEEN_PAGES
        submissions = _to_remind_of([row.id for row in rows])
        reminded = []
        for row in rows:
            submission_id = submissions.get(row.id)
            if submission_id is None or not use_allowance(row.canonical_email, moment):
                continue
            key = f"submission:{submission_id}:reminder:{row.reminders + 1}"
            outbox.put(REMINDER, submission_id, [key], not_before=not_before)
            reminded.append(row.id)
        self._put += len(reminded)
        return db.rows_changed(
            sa.update(Signature)
            .where(Signature.id.in_(reminded))
            .values(reminders=Signature.reminders + 1, mailed_at=moment)
        )


def _to_remind_of(signature_ids: list[int]) -> dict[int, int]:
    """By signature, the submission that the last mail was about; none if that mail waits, or could not be delivered.

    The latest submission where no mail has left at all, since its address had had its three that day.
    """
    mails = db.session.execute(
        sa.select(Outgoing.id, Outgoing.subject_id, Outgoing.state).where(*_is_about(_submissions_of(signature_ids)))
    ).all()
    signature_of = {
        row.id: row.signature_id
        for row in db.session.execute(
            sa.select(Submission.id, Submission.signature_id).where(
                Submission.id.in_([mail.subject_id for mail in mails])
            )
        )
    }
    last = {signature_of[mail.subject_id]: mail for mail in sorted(mails, key=lambda mail: mail.id)}
    never_mailed = sa.select(Submission.signature_id, sa.func.max(Submission.id).label("latest")).where(
        Submission.signature_id.in_([id_ for id_ in signature_ids if id_ not in last])
    )
    found = {row.signature_id: row.latest for row in db.session.execute(never_mailed.group_by(Submission.signature_id))}
    return found | {id_: mail.subject_id for id_, mail in last.items() if mail.state == State.SENT}


# ---------------------------------------------------------------- deletion


def _is_old() -> Conditions:
    """Never confirmed, and for thirty days neither signed nor mailed about."""
    oldest = db.now() - KEEP_UNCONFIRMED
    sent = aliased(Submission)
    return (
        _NEVER_CONFIRMED,
        Signature.signed_at < oldest,
        sa.or_(Signature.mailed_at.is_(None), Signature.mailed_at < oldest),
        ~sa.select(sent.id).where(sent.signature_id == Signature.id, sent.created_at >= oldest).exists(),
    )


def due_to_be_deleted(campaign: Campaign, state: SignatureState, after: int) -> list[int]:
    return _next(campaign, after, PAGE, Signature.state == state, *_is_old())


def delete(ids: list[int]) -> int:
    """Delete signatures that were never confirmed, with all that was sent and every mail about them."""
    gone = _locked(ids, Signature.state.in_(UNCONFIRMED), *_is_old())
    outbox.forget(_KINDS, _submissions_of(gone))
    for row in db.session.execute(
        sa.select(Signature.campaign_id, Signature.signed_at).where(Signature.id.in_(gone)).order_by(Signature.id)
    ):
        counting.leave_signed(row.campaign_id, row.signed_at, -1, gone=1)
    return db.rows_changed(sa.delete(Signature).where(Signature.id.in_(gone)))


def due_to_be_emptied(campaign: Campaign, after: int) -> list[int]:
    """Signatures that were taken out before anybody confirmed them, and still have submissions."""
    has_any = sa.select(Submission.id).where(Submission.signature_id == Signature.id).exists()
    return _next(campaign, after, PAGE, Signature.state == SignatureState.INVALIDATED, *_is_old(), has_any)


def empty(ids: list[int]) -> int:
    """Delete what was sent. The signature stays, bare: its "no" holds for good."""
    bare = _locked(ids, Signature.state == SignatureState.INVALIDATED, *_is_old())
    outbox.forget(_KINDS, _submissions_of(bare))
    return db.rows_changed(sa.delete(Submission).where(Submission.signature_id.in_(bare)))


def _was_passed_over() -> Conditions:
    """Sent for a signature that counts, or counted, by another submission; and never confirmed itself."""
    oldest = db.now() - KEEP_UNCONFIRMED
    return (
        Submission.created_at < oldest,
        Signature.submission_id.is_not(None),
        Signature.submission_id != Submission.id,
        # Who withdrew may have signed again, and have a link to it that is younger than that.
        sa.or_(
            Signature.state != SignatureState.WITHDRAWN,
            Signature.mailed_at.is_(None),
            Signature.mailed_at < oldest,
        ),
    )


def due_to_be_dropped(after: int) -> list[int]:
    """Submissions beside the one that counts. No index knows them: the table is read in ranges of ids."""
    last = db.session.scalar(sa.select(sa.func.max(Submission.id))) or 0
    for begin in range(after, last, RANGE):
        in_range = (Submission.id > begin, Submission.id <= begin + RANGE)
        if found := list(db.session.scalars(_passed_over(*in_range).order_by(Submission.id).limit(PAGE))):
            return found
    return []


def _passed_over(*which: sa.ColumnElement[bool]) -> sa.Select[int]:
    joined = sa.select(Submission.id).join(Signature, Signature.id == Submission.signature_id)
    return joined.where(*which, *_was_passed_over())


def drop(ids: list[int]) -> int:
    """Delete submissions that nobody confirmed, and the mails about them."""
    locked = _passed_over(Submission.id.in_(ids)).with_for_update(of=Signature, skip_locked=True)
    gone = list(db.session.scalars(locked))
    outbox.forget(_KINDS, sa.select(Submission.id).where(Submission.id.in_(gone)))
    return db.rows_changed(sa.delete(Submission).where(Submission.id.in_(gone)))
