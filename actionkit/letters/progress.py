"""Where letters are, in words: one letter's history for staff, and a supporter's letters for herself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from flask_babel import gettext

from actionkit import db
from actionkit.campaigns.models import Official
from actionkit.delivery import groups, outbox
from actionkit.delivery.history import Event
from actionkit.delivery.models import Outgoing, State
from actionkit.delivery.smtp import Step
from actionkit.letters.operations import LETTER

_BEFORE_THE_RECIPIENT = {
    str(step) for step in (Step.SIGN, Step.CONNECT, Step.GREETING, Step.TLS, Step.LOGIN, Step.MAIL)
}


# ---------------------------------------------------------------- for staff


def in_words(event: Event) -> str:
    """One line of a letter's history, as a sentence for staff."""
    return _try_in_words(event) if event.is_try else _move_in_words(event)


def _try_in_words(event: Event) -> str:
    match event.outcome:
        case "":
            return gettext("It is being sent.")
        case State.SENT:
            return gettext("The mail server took it.")
        case State.QUEUED if event.step in _BEFORE_THE_RECIPIENT or event.said.startswith("421"):
            return gettext("The mail server was in trouble, for no fault of the letter. It was tried again later.")
        case State.QUEUED:
            return gettext("The mail server put it off. It was tried again later.")
        case State.FAILED:
            return gettext("It was refused for good.")
        case State.UNCERTAIN:
            return gettext("There was silence after the letter was handed over. It may have arrived.")
        case State.HELD:
            return gettext("It is held: the mail server cannot take it as it is.")
        case State.FROZEN:
            return gettext("It could not be written.")
        case State.CANCELLED:
            return gettext("It was not sent, since its cause is gone.")
    return gettext("It ended after another worker had taken the letter over.")


def _move_in_words(event: Event) -> str:
    match event.outcome:
        case State.HELD:
            return gettext("It is held, and leaves when staff let it.")
        case State.QUEUED:
            return gettext("It waits to be sent again.")
        case State.CANCELLED:
            return gettext("It was cancelled.")
        case State.SENT:
            return gettext("It counts as sent.")
        case State.FAILED:
            return gettext("It counts as not delivered.")
    return gettext("Its state was changed.")


# ---------------------------------------------------------------- for a supporter


class Place(StrEnum):
    """Where one of her letters is, as far as it matters to a supporter."""

    SENT = "sent"
    MAYBE = "maybe"
    WAITING = "waiting"
    RESTING = "resting"
    """It waits, and staff have to do something first."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It may have arrived or not: the mail server never said, and nobody tries any more."""
    STOPPED = "stopped"


_PLACES = {
    State.QUEUED: Place.WAITING,
    State.SENDING: Place.WAITING,
    State.SENT: Place.SENT,
    State.UNCERTAIN: Place.MAYBE,
    State.HELD: Place.RESTING,
    State.FROZEN: Place.RESTING,
    State.FAILED: Place.REFUSED,
    State.CANCELLED: Place.STOPPED,
}


@dataclass(frozen=True)
class OwnLetter:
    """One of a supporter's letters. Never an official's address."""

    official: Official
    place: Place
    on: dt.datetime | None
    """When it left, or ended otherwise."""


def of_signature(signature_id: int) -> Sequence[OwnLetter]:
    """Where each letter of a signature is, in the order in which they were queued."""
    rows = db.session.execute(
        sa.select(
            Outgoing.state,
            Outgoing.ended_at,
            Outgoing.first_tried_at,
            Outgoing.group_key,
            Official,
            outbox.was_given_up().label("is_given_up"),
        )
        .join(Official, Outgoing.recipient_key == sa.literal("official:") + sa.cast(Official.id, sa.String))
        .where(Outgoing.kind == LETTER, Outgoing.subject_id == signature_id)
        .order_by(Outgoing.id)
    ).all()
    if not rows:
        return []
    rests = groups.pause_of(rows[0].group_key) is not None
    return [
        OwnLetter(row.Official, _place(row.state, row.is_given_up, rests), row.ended_at or row.first_tried_at)
        for row in rows
    ]


def _place(state: str, is_given_up: bool, group_rests: bool) -> Place:
    place = _PLACES[State(state)]
    if place is Place.REFUSED and is_given_up:
        return Place.UNKNOWN
    return Place.RESTING if place is Place.WAITING and group_rests else place
