"""The letters of a campaign and what became of each, as CSV. Nothing of a supporter: no name, no address, no text."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from actionkit.campaigns.models import Official
from actionkit.delivery.models import Outgoing
from actionkit.exports import csv_parts
from actionkit.exports.csv_parts import Cell, Kind, Part
from actionkit.letters.operations import LETTER, group_key
from actionkit.signing.models import Signature

RANGE = 10_000
"""Ids of the ledger that are read by one statement."""

# What a mail server says may quote an address; its code does not (RFC 5321, 4.2).
_code = sa.func.substr(Outgoing.last_answer, 1, 3)
_answer_class = sa.case(
    (sa.and_(_code >= "200", _code < "300"), "accepted"),
    (sa.and_(_code >= "400", _code < "500"), "later"),
    (sa.and_(_code >= "500", _code < "600"), "refused"),
    (Outgoing.last_answer != "", "other"),
    else_="",
)

_official_key = sa.literal("official:").concat(sa.cast(Official.id, sa.String))

CELLS = {
    "letter_id": Cell(Outgoing.public_id),
    "signature_id": Cell(Signature.public_id),
    "official_id": Cell(Official.slug),
    "official": Cell(Official.name, Kind.TEXT),
    "state": Cell(Outgoing.state),
    "created_at": Cell(Outgoing.created_at, Kind.MOMENT),
    "not_before": Cell(Outgoing.not_before, Kind.MOMENT),
    "first_tried_at": Cell(Outgoing.first_tried_at, Kind.MOMENT),
    "ended_at": Cell(Outgoing.ended_at, Kind.MOMENT),
    "attempts": Cell(sa.cast(Outgoing.attempts, sa.String)),
    "is_maybe_twice": Cell(Outgoing.is_maybe_twice, Kind.TICK),
    "last_step": Cell(Outgoing.last_step, Kind.TEXT),
    "answer_class": Cell(_answer_class),
}


def bounds(connection: sa.Connection, campaign_id: int) -> tuple[int, int]:
    """The ids of the campaign's first and last letter; (0, 0) where there is none."""
    ends = sa.select(sa.func.min(Outgoing.id), sa.func.max(Outgoing.id)).where(*_of(campaign_id))
    first, last = connection.execute(ends).one()
    return first or 0, last or 0


def parts(connection: sa.Connection, campaign_id: int) -> Iterator[Part]:
    """The file in parts, from one snapshot, as that of signatures."""
    yield Part(csv_parts.header(list(CELLS)))
    first, last = bounds(connection, campaign_id)
    for after in range(first - 1, last, RANGE):
        up_to = min(after + RANGE, last)
        rows = (
            sa.select(sa.literal(1))
            .select_from(Outgoing)
            .outerjoin(Official, Outgoing.recipient_key == _official_key)
            .outerjoin(Signature, Signature.id == Outgoing.subject_id)
            .where(*_of(campaign_id), Outgoing.id > after, Outgoing.id <= up_to)
            .order_by(Outgoing.id)
        )
        yield csv_parts.part(connection, rows, CELLS, up_to)


def _of(campaign_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (Outgoing.group_key == group_key(campaign_id), Outgoing.kind == LETTER)
