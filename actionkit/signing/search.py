"""What staff look for among signatures and letters: a page at a time, never counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from actionkit import db
from actionkit.addresses import AddressInvalid, canonical
from actionkit.campaigns.models import Official
from actionkit.delivery.models import Outgoing, OutgoingAttempt, State
from actionkit.letters.operations import LETTER, group_key
from actionkit.signing.models import Signature, SignatureState, Submission
from actionkit.signing.submissions import SPEAKS_FOR_IT

PER_PAGE = 50
LAST_PAGE = 10_000
LONGEST_SEARCH = 200

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, and whether there are more."""

    rows: Sequence[T]
    number: int
    has_next: bool


def page_number(text: str) -> int:
    """A page's number from a query; whatever is none is the first."""
    return min(max(int(text), 1), LAST_PAGE) if text.isascii() and text.isdecimal() and len(text) < 9 else 1


def _page(query: sa.Select[*tuple[Any, ...]], number: int) -> Page[sa.Row[*tuple[Any, ...]]]:
    rows = db.session.execute(query.limit(PER_PAGE + 1).offset((number - 1) * PER_PAGE)).all()
    return Page(rows[:PER_PAGE], number, len(rows) > PER_PAGE)


def signatures(campaign_id: int, *, text: str, state: str, number: int) -> Page[sa.Row[*tuple[Any, ...]]]:
    """Signatures of a campaign, the latest first, each with the submission that counts or its latest.

    `text` is looked for as it is (no wildcards) in names, addresses and postcodes; a whole address
    is found by its canonical form, whatever its spelling.
    """
    query = (
        sa.select(
            Signature.public_id,
            Signature.state,
            Signature.state_reason,
            Signature.signed_at,
            Signature.confirmed_at,
            Submission.name,
            Submission.email,
            Submission.country,
            Submission.postcode,
            Submission.comment,
            Submission.language,
        )
        .join(Submission, SPEAKS_FOR_IT)
        .where(Signature.campaign_id == campaign_id)
        .order_by(Signature.id.desc())
    )
    if state in set(SignatureState):
        query = query.where(Signature.state == state)
    if text:
        query = query.where(_matches(text))
    return _page(query, number)


def _matches(text: str) -> sa.ColumnElement[bool]:
    try:
        return Signature.canonical_email == canonical(text)
    except AddressInvalid:
        return sa.or_(
            Submission.name.icontains(text, autoescape=True),
            Submission.email.icontains(text, autoescape=True),
            Submission.postcode.istartswith(text, autoescape=True),
        )


def letters(campaign_id: int, *, state: str, number: int) -> Page[sa.Row[*tuple[Any, ...]]]:
    """Letters of a campaign, the latest first. Never their text: it is the supporter's."""
    query = (
        sa.select(
            Outgoing.public_id,
            Outgoing.state,
            Outgoing.created_at,
            Outgoing.not_before,
            Outgoing.ended_at,
            Outgoing.attempts,
            Outgoing.is_maybe_twice,
            Outgoing.last_step,
            Outgoing.last_answer,
            Official.name.label("official"),
        )
        .join(Official, Outgoing.recipient_key == sa.literal("official:") + sa.cast(Official.id, sa.String))
        .where(Outgoing.group_key == group_key(campaign_id), Outgoing.kind == LETTER)
        .order_by(Outgoing.id.desc())
    )
    if state in set(State):
        query = query.where(Outgoing.state == state)
    return _page(query, number)


def letters_by_state(campaign_id: int) -> dict[str, int]:
    """How many letters of a campaign are in each state."""
    rows = db.session.execute(
        sa.select(Outgoing.state, sa.func.count().label("n"))
        .where(Outgoing.group_key == group_key(campaign_id), Outgoing.kind == LETTER)
        .group_by(Outgoing.state)
    )
    return {row.state: row.n for row in rows}


@dataclass(frozen=True)
class Attempt:
    """One try to send a letter, as staff see it."""

    started_at: dt.datetime
    outcome: str
    step: str
    answer: str


def find_letter(campaign_id: int, public_id: str) -> Outgoing | None:
    return db.session.scalar(
        sa.select(Outgoing).where(
            Outgoing.public_id == public_id, Outgoing.group_key == group_key(campaign_id), Outgoing.kind == LETTER
        )
    )


def attempts(letter: Outgoing) -> list[Attempt]:
    rows = db.session.scalars(
        sa.select(OutgoingAttempt).where(OutgoingAttempt.outgoing_id == letter.id).order_by(OutgoingAttempt.id)
    )
    return [Attempt(row.started_at, row.outcome or "in progress", row.step, row.answer) for row in rows]


def find_signature(campaign_id: int, public_id: str) -> Signature | None:
    return db.session.scalar(
        sa.select(Signature).where(Signature.public_id == public_id, Signature.campaign_id == campaign_id)
    )
