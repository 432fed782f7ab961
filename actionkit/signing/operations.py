"""What happens to a signature: sign, confirm, refuse, withdraw. Nothing here commits or sends."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from flask_babel import format_date, gettext, lazy_gettext

from actionkit import db
from actionkit.campaigns.models import Campaign, Phase
from actionkit.clock import TOLERANCE
from actionkit.delivery import outbox
from actionkit.errors import ActionError
from actionkit.languages import gettext_noop
from actionkit.letters.compose import Sender
from actionkit.letters.operations import queue_letters, stop_letters
from actionkit.prepared import Prepared
from actionkit.signing import counting
from actionkit.signing.allowance import use_allowance
from actionkit.signing.models import (
    ConsentWithdrawal,
    MailStop,
    Purpose,
    Signature,
    SignatureState,
    Source,
    StopReason,
    Submission,
)

CONFIRMATION = "confirmation"
"""The kind of these rows in the ledger; their subject is the submission."""

REFUSED_BY_OWNER = gettext_noop("refused by the owner of the address")

NOT_COUNTED = gettext_noop("imported without a basis to count it")
"""Why such a signature is held. Its owner is never asked by mail: staff said that they may not."""

CONFIRM_WITHIN = dt.timedelta(days=7)
BETWEEN_MAILS = dt.timedelta(minutes=10)


class NotOpen(ActionError):
    """The campaign cannot be signed now."""

    code = 410


class SigningPaused(ActionError):
    """Staff have switched signing off for now."""

    code = 503


class TooLate(ActionError):
    """The link was genuine, and what it was for is over."""

    code = 410


class LinkRanOut(TooLate):
    """Its time is over, but what it was for is not: its owner may have a new one."""

    def __init__(self, message: str, signed: Signed) -> None:
        super().__init__(message)
        self.signed = signed


class Confirmed(StrEnum):
    """What a confirmation found."""

    NOW = "now"
    ALREADY = "already"


@dataclass(frozen=True)
class Signing:
    """What a valid form holds, and what it was shown with."""

    name: str
    email: str
    country: str
    postcode: str
    comment: str
    letter: str
    show_name: bool
    updates: bool
    language: str
    letter_version_id: int | None
    consent_wording_id: int
    updates_wording_id: int | None
    network: str = ""
    seconds_on_form: int | None = None
    source: Source = Source.WEB


# ---------------------------------------------------------------- sign


def refuse_unless_open(campaign: Campaign) -> None:
    """Raise `NotOpen`, which says when it was or will be."""
    phase = campaign.phase()
    if phase is Phase.UPCOMING:
        day = format_date(campaign.opens_on, "long")
        raise NotOpen(gettext("This campaign opens on %(date)s. Please come back then.", date=day))
    if phase is not Phase.OPEN:
        day = format_date(campaign.closed_on, "long")
        raise NotOpen(gettext("This campaign closed on %(date)s and can no longer be signed.", date=day))


def refuse_while_paused(campaign: Campaign) -> None:
    """Raise `SigningPaused`. Confirming goes on."""
    if campaign.is_signing_paused:
        raise SigningPaused(gettext("Signing is paused at the moment. Nothing was stored; please come back later."))


def sign(campaign: Campaign, signing: Signing, address: str, held_because: str = "") -> None:
    """Store a signature, or one more submission of the one that this address has already.

    `address` is canonical. Tells nobody which of them it was: the difference is in the mail, if one is due. With
    `held_because` a new signature waits for staff, and no mail leaves for it.
    """
    refuse_unless_open(campaign)
    refuse_while_paused(campaign)
    moment = db.now()
    state = SignatureState.HELD if held_because else SignatureState.PENDING
    signature_id, known = None, None
    while signature_id is None and known is None:  # again, where it was erased between the two statements
        signature_id = _insert_signature(campaign.id, address, state, held_because, moment)
        known = None if signature_id is not None else _find_signature(campaign.id, address)
    if signature_id is not None:
        submission_id = _add_submission(signature_id, signing, moment)
        counting.leave_signed(campaign.id, moment)
        if not held_because and use_allowance(address, moment):
            outbox.put(CONFIRMATION, submission_id, [f"submission:{submission_id}:1"])
        return
    assert known is not None
    if known.state == SignatureState.INVALIDATED:
        return  # the owner of the address, or staff, said that this is none
    is_held = known.state == SignatureState.HELD
    if known.state == SignatureState.CONFIRMED:
        submission_id = known.submission_id
    else:
        # Later than her withdrawal, even where the clock was set back since: that is how the two are told apart.
        just_after = known.withdrawn_at + dt.timedelta(microseconds=1) if known.withdrawn_at else moment
        submission_id = _add_submission(known.id, signing, max(moment, just_after))
    if known.state == SignatureState.EXPIRED:
        _begin_anew(campaign.id, known, state, held_because, moment)
        is_held = bool(held_because)
    if not is_held and may_mail(known.id, address, moment):
        # A mail about a confirmed signature is one more of the same kind: see mails.confirmation.
        number = outbox.count(CONFIRMATION, submission_id) + 1
        outbox.put(CONFIRMATION, submission_id, [f"submission:{submission_id}:{number}"])


def _begin_anew(campaign_id: int, known: _Known, state: SignatureState, held_because: str, moment: dt.datetime) -> None:
    """One that had expired is pending, or held, as if it were new; of simultaneous posts one does it."""
    won = db.rows_changed(
        sa.update(Signature)
        .where(Signature.id == known.id, Signature.state == SignatureState.EXPIRED)
        .values(state=state, state_reason=held_because, signed_at=moment, reminders=0)
    )
    if won:
        counting.leave_signed(campaign_id, known.signed_at, -1)
        counting.leave_signed(campaign_id, moment)


def _insert_signature(
    campaign_id: int, address: str, state: SignatureState, held_because: str, moment: dt.datetime
) -> int | None:
    """A new one; None where this address has one on this campaign."""
    added = _add_signature.row(
        public_id=db.new_public_id(),
        campaign_id=campaign_id,
        canonical_email=address,
        state=state.value,
        state_reason=held_because,
        signed_at=moment,
        mailed_at=None if held_because else moment,
        is_name_public=False,
    )
    return added[0] if added else None


_Known = sa.Row[int, str, int | None, dt.datetime | None, dt.datetime]
"""(id, state, submission that counts, withdrawn at, signed at)"""


def _find_signature(campaign_id: int, address: str) -> _Known | None:
    """The one that this address has, kept from being erased until what is sent now is stored with it."""
    parameters = {"campaign_id": campaign_id, "address": address}
    return db.session.connection().execute(_signature_of_address, parameters).first()


_add_signature = Prepared(
    lambda insert: (
        insert(Signature.__table__)
        .on_conflict_do_nothing(index_elements=["campaign_id", "canonical_email"])
        .returning(Signature.__table__.c.id)
    )
)
_signature_of_address = (
    sa.select(Signature.id, Signature.state, Signature.submission_id, Signature.withdrawn_at, Signature.signed_at)
    .where(Signature.campaign_id == sa.bindparam("campaign_id"), Signature.canonical_email == sa.bindparam("address"))
    .with_for_update(read=True, key_share=True)
)
_insert_submission = Prepared(lambda insert: insert(Submission.__table__).returning(Submission.__table__.c.id))


def _add_submission(signature_id: int, signing: Signing, moment: dt.datetime) -> int:
    values = {**vars(signing), "signature_id": signature_id, "created_at": moment, "public_id": db.new_public_id()}
    added = _insert_submission.row(**values)
    assert added is not None
    return int(added[0])


def may_mail(signature_id: int, address: str, moment: dt.datetime) -> bool:
    """Whether a mail about this signature may go to its address now, and if so, that it did.

    Two conditional updates, so that of simultaneous posts one wins: ten minutes since the last
    mail about it, at most three mails in 24 hours to the address. A mail that left in the future
    left before the clock was set back, nobody knows how long ago.
    """
    last = Signature.mailed_at
    may = sa.or_(last.is_(None), last <= moment - BETWEEN_MAILS, last > moment + TOLERANCE)
    won = db.rows_changed(sa.update(Signature).where(Signature.id == signature_id, may).values(mailed_at=moment))
    return bool(won) and use_allowance(address, moment)


# ---------------------------------------------------------------- find


@dataclass(frozen=True)
class Signed:
    """A submission with the signature and the campaign it belongs to."""

    submission: Submission
    signature: Signature
    campaign: Campaign

    @property
    def sender(self) -> Sender:
        return sender_of(self.submission)


def sender_of(submission: Submission) -> Sender:
    return Sender(
        name=submission.name,
        country=submission.country,
        comment=submission.comment,
        letter=submission.letter,
        email=submission.email,
    )


def find_submission(*which: sa.ColumnElement[bool]) -> Signed | None:
    row = db.session.execute(
        sa.select(Submission, Signature, Campaign)
        .join(Signature, Signature.id == Submission.signature_id)
        .join(Campaign, Campaign.id == Signature.campaign_id)
        .where(*which)
    ).first()
    return Signed(*row) if row else None


def erased_text() -> str:
    return gettext("What this link belonged to has been erased.")


# ---------------------------------------------------------------- confirm


def refuse_if_too_late(signed: Signed, issued_at: dt.datetime) -> None:
    """Raise `TooLate` for a link older than seven days (`LinkRanOut`), or a day after the campaign's end.

    One that has been used is never too late: it goes on showing what was confirmed.
    """
    if signed.signature.state == SignatureState.CONFIRMED:
        return
    refuse_if_over(signed)
    if signed.signature.state == SignatureState.EXPIRED or db.now() - issued_at > CONFIRM_WITHIN:
        raise LinkRanOut(gettext("This link has run out"), signed)


def refuse_if_over(signed: Signed) -> None:
    """Raise `TooLate` where no link, however new, could confirm this submission."""
    if signed.signature.state == SignatureState.INVALIDATED:
        raise TooLate(gettext("This signature has been taken out. It does not count, and nothing more is sent."))
    if is_superseded(signed):
        raise TooLate(gettext("You have withdrawn this signature. It is not counted."))
    if not signed.campaign.can_confirm(db.now()):
        raise TooLate(gettext("The campaign has ended, so this signature can no longer be confirmed."))


def is_superseded(signed: Signed) -> bool:
    """Whether the signature was withdrawn after this submission was made."""
    signature = signed.signature
    return (
        signature.state == SignatureState.WITHDRAWN
        and signature.withdrawn_at is not None
        and signed.submission.created_at <= signature.withdrawn_at
    )


def confirm(signed: Signed) -> Confirmed:
    """Make the submission the one that counts, count it, and queue its letters. Idempotent.

    The conditional update decides among simultaneous confirmations; the others find it done.
    """
    submission, signature = signed.submission, signed.signature
    moment = db.now()
    won = db.rows_changed(
        sa.update(Signature)
        .where(
            Signature.id == signature.id,
            sa.or_(
                Signature.state == SignatureState.PENDING,
                sa.and_(
                    Signature.state == SignatureState.WITHDRAWN,
                    Signature.withdrawn_at < submission.created_at,
                ),
            ),
        )
        .values(
            state=SignatureState.CONFIRMED,
            submission_id=submission.id,
            confirmed_at=moment,
            withdrawn_at=None,
            is_name_public=submission.show_name,
        )
    )
    if not won:
        # Confirmed before, or something else happened to it a moment ago: say which.
        now_signed = Signed(submission, _as_it_is(signature), signed.campaign)
        refuse_if_too_late(now_signed, submission.created_at)
        if now_signed.signature.state != SignatureState.CONFIRMED:
            raise TooLate(gettext("A person looks at this signature before it can count. You need not do anything."))
        return Confirmed.ALREADY
    counting.leave_trace(
        signed.campaign.id,
        moment,
        submission.country,
        +1,
        language=submission.language,
        source=submission.source,
    )
    _has_arrived(signature.canonical_email)
    queue_letters(signed.campaign, signature.id)
    return Confirmed.NOW


def _has_arrived(address: str) -> None:
    """A link in a mail to this (canonical) address was used: whatever bounced before, it lives."""
    db.session.execute(
        sa.delete(MailStop)
        .where(MailStop.canonical_email == address, MailStop.reason == StopReason.BOUNCED)
        .execution_options(synchronize_session=False)
    )


def refuse(signed: Signed) -> None:
    """ "I did not sign this": the owner of the address takes the signature out for good."""
    taken_out = {"state": SignatureState.INVALIDATED, "state_reason": REFUSED_BY_OWNER}
    signature = signed.signature
    while not _take_out(signature, **taken_out):
        signature = _as_it_is(signature)  # it was confirmed, withdrawn or taken out a moment ago
        if signature.state_reason == REFUSED_BY_OWNER:
            return


def release(signature: Signature) -> bool:
    """Let a signature that was held when it was sent go on: its owner is asked to confirm it now.

    False if it is no longer held.
    """
    moved = db.rows_changed(
        sa.update(Signature)
        .where(Signature.id == signature.id, Signature.state == SignatureState.HELD)
        .where(Signature.confirmed_at.is_(None), Signature.state_reason != NOT_COUNTED)
        .values(state=SignatureState.PENDING, state_reason="")
    )
    if moved and may_mail(signature.id, signature.canonical_email, db.now()):
        latest = db.session.execute(
            sa.select(sa.func.max(Submission.id)).where(Submission.signature_id == signature.id)
        ).scalar_one()
        outbox.put(CONFIRMATION, latest, [f"submission:{latest}:{outbox.count(CONFIRMATION, latest) + 1}"])
    return bool(moved)


def take_out(signature: Signature) -> bool:
    """Staff judged that this is no genuine signature; False if it changed meanwhile.

    Many at once, and the way back: see `signing.taking_out`.
    """
    return _take_out(signature, state=SignatureState.INVALIDATED, state_reason=counting.BY_STAFF)


def withdraw(signature: Signature) -> bool:
    """Stop counting a signature and stop its letters that have not left; False if it was done before."""
    moment = db.now()
    while True:
        if signature.state in (SignatureState.CONFIRMED, SignatureState.HELD):
            values: dict[str, object] = {"state": SignatureState.WITHDRAWN, "withdrawn_at": moment}
        elif signature.state_reason in (counting.BY_STAFF, counting.BY_RULE):
            # It stays out, and does not become one that is withdrawn: that could be signed again.
            values = {"state_reason": counting.WITHDRAWN_AFTER}
        else:
            return False
        if _take_out(signature, **values):
            break
        signature = _as_it_is(signature)  # staff took it out, or put it back, a moment ago
    db.session.execute(
        sa.insert(ConsentWithdrawal).values(signature_id=signature.id, purpose=Purpose.SIGN, withdrawn_at=moment)
    )
    return True


def _as_it_is(signature: Signature) -> Signature:
    """The signature as the database has it now, which may not be what was read. Raises `TooLate` if it is gone."""
    found = db.session.scalar(
        sa.select(Signature).where(Signature.id == signature.id).execution_options(populate_existing=True)
    )
    if found is None:
        raise TooLate(erased_text())
    return found


def _take_out(signature: Signature, **values: object) -> bool:
    """Move a signature out of the count, if it is still in the state it was read in."""
    moved = db.rows_changed(
        sa.update(Signature)
        .where(Signature.id == signature.id, Signature.state == signature.state)
        .where(Signature.state_reason == signature.state_reason)
        .values({**values, "is_name_public": False})
    )
    if not moved:
        return False  # something else happened to it meanwhile, and counts
    if signature.confirmed_at is not None:
        was_removed = signature.state == SignatureState.INVALIDATED and signature.state_reason in counting.REMOVED
        is_removed = values.get("state_reason") in counting.REMOVED
        _uncount(signature, -int(signature.state == SignatureState.CONFIRMED), int(is_removed) - int(was_removed))
    stop_letters(signature.id)
    return True


def _uncount(signature: Signature, delta: int, removed: int) -> None:
    if not (delta or removed):
        return
    country, language, source = db.session.execute(
        sa.select(Submission.country, Submission.language, Submission.source).where(
            Submission.id == signature.submission_id
        )
    ).one()
    assert signature.confirmed_at is not None
    counting.leave_trace(
        signature.campaign_id,
        signature.confirmed_at,
        country,
        delta,
        removed,
        language=language,
        source=source,
    )


STATE_NAMES = {
    SignatureState.PENDING: lazy_gettext("not confirmed yet"),
    SignatureState.EXPIRED: lazy_gettext("never confirmed"),
    SignatureState.CONFIRMED: lazy_gettext("confirmed"),
    SignatureState.HELD: lazy_gettext("held for review"),
    SignatureState.WITHDRAWN: lazy_gettext("withdrawn"),
    SignatureState.INVALIDATED: lazy_gettext("taken out"),
}
