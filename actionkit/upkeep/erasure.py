"""Erasing a person: whoever has this canonical address.

What counts stays as a number that belongs to nobody; what never counted goes altogether. Signatures
and submissions that stay get new public ids, so every link that was ever mailed about them leads to
the page that says it has been erased, and no file that was exported earlier says which row was
whose. Reasons: docs/decisions/0014-erasure-and-restore.md; every place: docs/erasure.md.

Nothing here commits. The journal's line is on the disk when `erase` returns, before the commit: a
person who asked stays erased, whatever happens in between.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import outbox
from actionkit.exports import made_files
from actionkit.imports import importing
from actionkit.letters.operations import LETTER
from actionkit.replies import answers
from actionkit.review.models import AddressTwin, Removal, RemovalState, RemovedSignature
from actionkit.screening.models import RuleKind, ScreeningRule
from actionkit.signing import counting, lifecycle, operations
from actionkit.signing.counting import hour_of
from actionkit.signing.models import (
    ConsentWithdrawal,
    MailAllowance,
    MailStop,
    Signature,
    SignatureState,
    Submission,
)
from actionkit.staff import audit
from actionkit.upkeep import journal
from actionkit.upkeep.models import Erasure

TO_HER = (operations.CONFIRMATION, lifecycle.REMINDER)
"""Kinds of mails that went to the person herself; their subject is the submission."""

ERASED = "the supporter was erased"


@dataclass(frozen=True)
class Found:
    """What there is of a person, or was when she was erased."""

    signatures: int = 0
    campaigns: int = 0
    counted: int = 0
    """Of the signatures: those that count, and go on counting."""
    unsent_letters: int = 0
    unsent_mails: int = 0
    """To herself: confirmations and reminders."""
    entries: int = 0
    """Elsewhere: rules of the screening lists with her address, and that she wants no mail."""

    @property
    def is_any(self) -> bool:
        return bool(self.signatures or self.entries)


# ---------------------------------------------------------------- count


def count(address: str) -> Found:
    """What there is of the person with this canonical address. Changes nothing."""
    return _found(address, _signatures(Signature.canonical_email == address))


def _signatures(*which: sa.ColumnElement[bool]) -> Sequence[Signature]:
    return db.session.scalars(
        sa.select(Signature).where(*which).order_by(Signature.id).execution_options(populate_existing=True)
    ).all()


def _found(address: str, signatures: Sequence[Signature]) -> Found:
    ids = [signature.id for signature in signatures]
    entries = (
        sa.select(ScreeningRule.id).where(*_rule_about(address)),
        sa.select(MailStop.canonical_email).where(MailStop.canonical_email == address),
    )
    return Found(
        signatures=len(ids),
        campaigns=len({signature.campaign_id for signature in signatures}),
        counted=sum(signature.state == SignatureState.CONFIRMED for signature in signatures),
        unsent_letters=outbox.count_unsent([LETTER], sa.select(Signature.id).where(Signature.id.in_(ids))),
        unsent_mails=outbox.count_unsent(TO_HER, _submissions_of(ids)),
        entries=sum(len(db.session.execute(each).all()) for each in entries),
    )


def _rule_about(address: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (ScreeningRule.kind == RuleKind.ADDRESS, ScreeningRule.pattern == address)


def _submissions_of(signature_ids: Collection[int]) -> sa.Select[int]:
    return sa.select(Submission.id).where(Submission.signature_id.in_(signature_ids))


# ---------------------------------------------------------------- erase


def erase(address: str, *, uncount: bool = False) -> Found:
    """Erase the person with this canonical address, and write the journal; what there was.

    Where there is nothing the journal has its line all the same: a backup may hold her. With
    `uncount` she takes her signatures back too. Raises `OSError` if the journal cannot be written;
    then nothing must be committed.
    """
    signatures = _locked(Signature.canonical_email == address)
    if uncount:
        for signature in signatures:
            operations.withdraw(signature)
        signatures = _locked(Signature.id.in_([signature.id for signature in signatures]))
    found = _found(address, signatures)
    moment = max([db.now(), *_moments(signatures)])  # another machine's clock may be ahead
    _empty(address, signatures, moment)
    line = journal.line_for(address, moment)
    enter([line])
    audit.record("erase-person", "erase", signatures=found.signatures, counted=found.counted, uncounted=uncount)
    db.session.flush()
    journal.append([line])
    return found


def erase_again(address: str, line: journal.Line) -> bool:
    """Erase a person who is back, with what was stored before she was erased; False if nothing is.

    What she signed after that is hers.
    """
    sent = sa.select(Submission.id).where(Submission.signature_id == Signature.id)
    was_there = sa.or_(
        Signature.signed_at <= line.erased_at, sent.where(Submission.created_at <= line.erased_at).exists()
    )
    signatures = _locked(Signature.canonical_email == address, was_there)
    found = _found(address, signatures)
    _empty(address, signatures, line.erased_at)
    if found.is_any:
        audit.record("erase-person-again", "erase", signatures=found.signatures, counted=found.counted)
    return found.is_any


def enter(lines: Collection[journal.Line]) -> None:
    """Note that what these lines say is done in this database."""
    for line in lines:
        values = {"digest": line.digest, "erased_at": line.erased_at, "key_id": line.key_id}
        db.session.execute(db.insert(Erasure).values(values).on_conflict_do_nothing())


def _locked(*which: sa.ColumnElement[bool]) -> Sequence[Signature]:
    """From here on nobody adds a submission to them, confirms or withdraws them."""
    db.session.execute(sa.select(Signature.id).where(*which).order_by(Signature.id).with_for_update()).all()
    return _signatures(*which)


def _moments(signatures: Sequence[Signature]) -> list[dt.datetime]:
    ids = [signature.id for signature in signatures]
    sent = db.session.scalars(sa.select(Submission.created_at).where(Submission.signature_id.in_(ids)))
    return [*(signature.signed_at for signature in signatures), *sent]


def _empty(address: str, signatures: Sequence[Signature], until: dt.datetime) -> None:
    """Take away whatever is the person's, of what was stored until then."""
    ids = [signature.id for signature in signatures]
    texts = {address} | _names_and_addresses(ids)
    outbox.forget(TO_HER, _submissions_of(ids))
    mine = sa.select(Signature.id).where(Signature.id.in_(ids))
    outbox.cancel(LETTER, mine, ERASED)
    outbox.forget_answers(LETTER, mine)
    answers.forget(ids)
    importing.forget()
    made_files.forget({signature.campaign_id for signature in signatures})
    _delete(AddressTwin, AddressTwin.signature_id.in_(ids))
    _delete(ConsentWithdrawal, ConsentWithdrawal.signature_id.in_(ids))
    _change(RemovedSignature, RemovedSignature.signature_id.in_(ids), was_name_public=False)
    for signature in signatures:
        if signature.confirmed_at is None:
            _delete(Signature, Signature.id == signature.id)
            counting.leave_signed(signature.campaign_id, signature.signed_at, -1, gone=1)
        else:
            _make_nobodys(signature)
    _delete(MailAllowance, MailAllowance.canonical_email == address, MailAllowance.latest_at <= until)
    _delete(MailStop, MailStop.canonical_email == address, MailStop.stopped_at <= until)
    _delete(ScreeningRule, *_rule_about(address), ScreeningRule.created_at <= until)
    _forget_in_words_of_staff(texts)


def _make_nobodys(signature: Signature) -> None:
    """What counts stays: its campaign, country, language, hour, and which words it agreed to."""
    public_id = db.new_public_id()
    _change(
        Signature,
        Signature.id == signature.id,
        public_id=public_id,
        canonical_email=f"erased:{public_id}",
        signed_at=hour_of(signature.signed_at),
        confirmed_at=signature.confirmed_at and hour_of(signature.confirmed_at),
        withdrawn_at=signature.withdrawn_at and hour_of(signature.withdrawn_at),
        mailed_at=None,
        is_name_public=False,
    )
    for row in db.session.execute(
        sa.select(Submission.id, Submission.created_at).where(Submission.signature_id == signature.id)
    ):
        _change(
            Submission,
            Submission.id == row.id,
            public_id=db.new_public_id(),
            created_at=hour_of(row.created_at),
            **dict.fromkeys(("name", "email", "postcode", "comment", "letter", "network"), ""),
            show_name=False,
            updates=False,
            updates_wording_id=None,
            seconds_on_form=None,
        )


# ---------------------------------------------------------------- what staff wrote


def _names_and_addresses(signature_ids: Collection[int]) -> set[str]:
    rows = db.session.execute(
        sa.select(Submission.name, Submission.email).where(Submission.signature_id.in_(signature_ids))
    )
    return {text for row in rows for text in row if text}


def _forget_in_words_of_staff(texts: set[str]) -> None:
    """Notes, reasons and rules of removals in which staff wrote the whole name or address."""
    sought = {text.casefold() for text in texts}

    def names_her(text: Any) -> bool:
        return isinstance(text, str) and any(each in text.casefold() for each in sought)

    for rule in db.session.scalars(sa.select(ScreeningRule).where(ScreeningRule.note != "")):
        if names_her(rule.note):
            rule.note = ""
    for removal in db.session.scalars(sa.select(Removal)):
        if names_her(removal.reason):
            removal.reason = ""
        if not any(names_her(removal.rule.get(name)) for name in ("name", "comment")):
            continue
        if removal.state == RemovalState.COUNTED:
            db.session.delete(removal)
        elif removal.state != RemovalState.RUNNING:  # one in work still needs it, and ends within minutes
            removal.rule = {key: "" if names_her(value) else value for key, value in removal.rule.items()}
    db.session.flush()


# ---------------------------------------------------------------- statements


def _delete(table: type[db.Base], *which: sa.ColumnElement[bool]) -> None:
    db.rows_changed(sa.delete(table).where(*which))


def _change(table: type[db.Base], *which: sa.ColumnElement[bool], **values: object) -> None:
    db.rows_changed(sa.update(table).where(*which).values(values))
