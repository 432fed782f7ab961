"""What staff look for among signatures and letters: a page at a time, never counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext

from actionkit import db
from actionkit.addresses import AddressInvalid, canonical
from actionkit.campaigns.models import Official
from actionkit.delivery.models import Outgoing, State
from actionkit.letters.operations import DIGEST, LETTER, group_key
from actionkit.paging import PER_PAGE, Page, page_of
from actionkit.screening import networks
from actionkit.signing.models import MailStop, Signature, SignatureState, StopReason, Submission
from actionkit.signing.submissions import SPEAKS_FOR_IT

LONGEST_SEARCH = 200
LETTERS_COUNTED = 10_000
_SHOWN = (LETTER, DIGEST)
"""More letters of a campaign in one state than these are not counted for a page."""
HELD_COUNTED = 10_000
"""More held signatures of a campaign than these are not counted for a page."""


@dataclass(frozen=True)
class Wanted:
    """What staff ask for; what is empty asks for nothing."""

    text: str = ""
    """Looked for as it is (no wildcards) in names, addresses and postcodes; a whole address is found
    by its canonical form, whatever its spelling."""
    state: str = ""
    reason: str = ""
    """Why it is held or taken out."""
    domain: str = ""
    """Of the address, as A-labels."""
    network: str = ""
    signature: str = ""
    """The public id of one."""

    @classmethod
    def of(cls, asked: Mapping[str, str], text: str = "") -> Wanted:
        """What a page's address or a form asks for; a text comes by form only."""
        given = {name: asked.get(name, "") for name in cls.__dataclass_fields__} | {"text": text}
        return cls(**{name: value.strip()[:LONGEST_SEARCH] for name, value in given.items()})

    @property
    def query(self) -> dict[str, str]:
        """The query of links that ask for the same, but for the text: addresses of pages hold no person's data."""
        return {name: value for name, value in vars(self).items() if value and name != "text"}


def signatures(campaign_id: int, wanted: Wanted, *, number: int) -> Page[sa.Row[*tuple[Any, ...]]]:
    """Signatures of a campaign, the latest first, each with the submission that counts or its latest."""
    ids = db.session.scalars(_ids(campaign_id, wanted, number)).all()
    rows = db.session.execute(
        sa.select(
            Signature.id,
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
            Submission.seconds_on_form,
            sa.func.coalesce(MailStop.reason == StopReason.BOUNCED, sa.false()).label("is_dead"),
        )
        .select_from(Signature)
        .join(Submission, SPEAKS_FOR_IT)
        .outerjoin(MailStop, MailStop.canonical_email == Signature.canonical_email)
        .where(Signature.id.in_(ids[:PER_PAGE]))
        .order_by(Signature.id.desc())
    ).all()
    return Page(rows, number, len(ids) > PER_PAGE)


def _ids(campaign_id: int, wanted: Wanted, number: int) -> sa.Select[int]:
    """The ids of a page and the one after it.

    State by state along the index of campaign, state and id, and then the latest of all: asked for
    at once, a database sorts the campaign's signatures, or walks through those of all campaigns.
    """
    end = number * PER_PAGE + 1
    states = [wanted.state] if wanted.state in set(SignatureState) else [*SignatureState]
    latest = [
        _that_match(wanted)
        .where(Signature.campaign_id == campaign_id, Signature.state == state)
        .order_by(Signature.id.desc())
        .limit(end)
        .subquery()
        for state in states
    ]
    found = sa.union_all(*(sa.select(each.c.id) for each in latest)).subquery()
    return sa.select(found.c.id).order_by(found.c.id.desc()).limit(PER_PAGE + 1).offset(end - PER_PAGE - 1)


def _that_match(wanted: Wanted) -> sa.Select[int]:
    query = sa.select(Signature.id)
    if wanted.reason:
        query = query.where(Signature.state_reason == wanted.reason)
    if wanted.domain:
        query = query.where(Signature.canonical_email.endswith(f"@{wanted.domain.lower()}", autoescape=True))
    if wanted.network:
        query = query.where(Signature.id.in_(_from_network(wanted.network)))
    if wanted.signature:
        query = query.where(Signature.public_id == wanted.signature)
    if wanted.text:
        query = query.join(Submission, SPEAKS_FOR_IT).where(_matches(wanted.text))
    return query


def _from_network(network: str) -> sa.Select[int]:
    """The signatures that a network sent. Its name lives for a day, so what is much older is passed over."""
    first_id = _first_submission_since(db.now() - networks.KEPT_FOR)
    return sa.select(Submission.signature_id).where(Submission.id >= first_id, Submission.network == network)


def _first_submission_since(moment: dt.datetime) -> int:
    """Where the submissions of this moment and later begin: ids grow with time, so halving finds it."""
    low, high = 0, (db.session.scalar(sa.select(sa.func.max(Submission.id))) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        after = sa.select(Submission.id, Submission.created_at).where(Submission.id >= middle)
        row = db.session.execute(after.order_by(Submission.id).limit(1)).first()
        if row is None or row.created_at >= moment:
            high = middle
        else:
            low = row.id + 1
    return low


@dataclass(frozen=True)
class Held:
    """How many signatures of a campaign are held, by reason, the most frequent first."""

    by_reason: dict[str, int]
    has_more: bool
    """There are more than were counted: the latest `HELD_COUNTED`."""

    @property
    def count(self) -> int:
        return sum(self.by_reason.values())


def reason_name(reason: str) -> str:
    """Why a signature is held or taken out, in the language of the page where somebody translated it."""
    return gettext(reason) if reason else gettext("no reason given")


def held_by_reason(campaign_id: int) -> Held:
    latest = (
        sa.select(Signature.state_reason)
        .where(Signature.campaign_id == campaign_id, Signature.state == SignatureState.HELD)
        .order_by(Signature.id.desc())
        .limit(HELD_COUNTED + 1)
        .subquery()
    )
    number = sa.func.count()
    rows = db.session.execute(
        sa.select(latest.c.state_reason, number.label("n"))
        .group_by(latest.c.state_reason)
        .order_by(number.desc(), latest.c.state_reason)
    )
    by_reason = {row.state_reason: row.n for row in rows}
    return Held(by_reason, sum(by_reason.values()) > HELD_COUNTED)


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
    """Letters of a campaign and reports to its officials, the latest first. Never their text: it is the supporter's."""
    query = (
        sa.select(
            Outgoing.public_id,
            Outgoing.kind,
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
        .where(Outgoing.group_key == group_key(campaign_id), Outgoing.kind.in_(_SHOWN))
        .order_by(Outgoing.id.desc())
    )
    if state in set(State):
        query = query.where(Outgoing.state == state)
    return page_of(query, number)


def letters_by_state(campaign_id: int) -> dict[str, int]:
    """How many letters of a campaign are in each state, along an index; one more than `LETTERS_COUNTED` at most."""
    counts = {}
    for state in State:
        some = (
            sa.select(sa.literal(1))
            .where(Outgoing.group_key == group_key(campaign_id), Outgoing.state == state)
            .limit(LETTERS_COUNTED + 1)
        )
        counts[state.value] = db.session.execute(sa.select(sa.func.count()).select_from(some.subquery())).scalar_one()
    return {state: number for state, number in counts.items() if number}


def find_letter(campaign_id: int, public_id: str) -> Outgoing | None:
    """A letter of the campaign, or a report."""
    mine = (Outgoing.group_key == group_key(campaign_id), Outgoing.kind.in_(_SHOWN))
    return db.session.scalar(sa.select(Outgoing).where(Outgoing.public_id == public_id, *mine))


def official_of(letter: Outgoing) -> Official | None:
    """To whom a letter goes; None for an official who is no longer there."""
    key = Outgoing.recipient_key == sa.literal("official:") + sa.cast(Official.id, sa.String)
    return db.session.scalar(sa.select(Official).join(Outgoing, key).where(Outgoing.id == letter.id))


def find_signature(campaign_id: int, public_id: str) -> Signature | None:
    return db.session.scalar(
        sa.select(Signature).where(Signature.public_id == public_id, Signature.campaign_id == campaign_id)
    )
