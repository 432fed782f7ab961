"""No more mail that is not owed: the link in it, and what its one click does (RFC 8058).

Owed is the confirmation, which somebody asks for by signing. Whatever else is sent to a supporter
carries `headers`, and asks `is_stopped` at the moment of sending.
"""

from __future__ import annotations

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import outbox
from actionkit.security import absolute_url, make_token, path_of, read_token
from actionkit.signing.lifecycle import REMINDER
from actionkit.signing.models import ConsentWithdrawal, MailStop, Purpose, Signature, StopReason, Submission
from actionkit.signing.operations import Signed, TooLate, erased_text, find_submission

TO_UNSUBSCRIBE = "unsubscribe"
"""Purpose of the token. It does not run out: the link works as long as there is somebody to write to."""

NOT_OWED = (REMINDER,)
"""Kinds of mail in the ledger that stop."""


def link(submission: Submission) -> str:
    token = make_token(TO_UNSUBSCRIBE, submission.public_id, submission.created_at)
    return absolute_url(path_of("unsubscribe.page", token=token))


def headers(submission: Submission) -> dict[str, str]:
    """By which a mail program shows a button of its own, and its provider's server presses it."""
    return {"List-Unsubscribe": f"<{link(submission)}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def of_token(token: str) -> Signed:
    """Whose link it is. Raises `NotFound` for a forged one, `TooLate` if nothing is kept any more."""
    genuine = read_token(TO_UNSUBSCRIBE, token)
    signed = find_submission(Submission.public_id == genuine.public_id)
    if signed is None:
        raise TooLate(erased_text())
    return signed


def is_stopped(address: str) -> bool:
    """Whether the owner of this (canonical) address wants nothing that is not owed."""
    return db.session.get(MailStop, address) is not None


def stop(address: str) -> None:
    """Write to this (canonical) address no more, except what is owed. Idempotent.

    What is queued is cancelled here; what a worker has claimed already asks `is_stopped`.
    """
    values = {"stopped_at": db.now(), "reason": StopReason.OWNER}
    added = db.insert(MailStop).values(canonical_email=address, **values)
    db.session.execute(
        added.on_conflict_do_update(
            index_elements=["canonical_email"], set_=values, where=MailStop.reason != StopReason.OWNER
        )
    )
    _cancel(address)
    _withdraw_consent(address)


def stop_dead(address: str) -> None:
    """There is no such (canonical) address, said its mail server: as `stop`, but no will of its owner.

    So no consent is withdrawn, and it ends by itself when a link in a mail to it is used: see
    `operations.confirm`. Who signs with it again is asked once more, which is owed.
    """
    values = {"canonical_email": address, "stopped_at": db.now(), "reason": StopReason.BOUNCED}
    db.session.execute(db.insert(MailStop).values(values).on_conflict_do_nothing())
    _cancel(address)


def is_dead(address: str) -> bool:
    """Whether mail to this (canonical) address came back for good, and none has been seen to arrive since."""
    stop = db.session.get(MailStop, address)
    return stop is not None and stop.reason == StopReason.BOUNCED


def _cancel(address: str) -> None:
    mine = (
        sa.select(Submission.id)
        .join(Signature, Signature.id == Submission.signature_id)
        .where(Signature.canonical_email == address)
    )
    for kind in NOT_OWED:
        outbox.cancel(kind, mine)


def _withdraw_consent(address: str) -> None:
    """Enter into the ledger of consents that she may no longer be written to, for each that said she may."""
    moment = sa.literal(db.now(), db.UTCDateTime())
    taken_back = (
        sa.select(ConsentWithdrawal.id)
        .where(
            ConsentWithdrawal.signature_id == Signature.id,
            ConsentWithdrawal.purpose == Purpose.UPDATES,
            ConsentWithdrawal.withdrawn_at >= Submission.created_at,
        )
        .exists()
    )
    said_so = (
        sa.select(Signature.id, sa.literal(Purpose.UPDATES.value), moment)
        .join(Submission, Submission.id == Signature.submission_id)
        .where(Signature.canonical_email == address, Submission.updates, ~taken_back)
        .distinct()
    )
    db.session.execute(sa.insert(ConsentWithdrawal).from_select(["signature_id", "purpose", "withdrawn_at"], said_so))
