"""The signatures of a campaign as CSV: streamed, guarded, whole or visibly broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from actionkit.exports import csv_parts
from actionkit.exports.csv_parts import Cell, Kind, Part
from actionkit.exports.wanted import ALL, COLUMNS, STATES, Wanted
from actionkit.signing.models import MailStop, Signature, SignatureState, Submission
from actionkit.signing.submissions import SPEAKS_FOR_IT

__all__ = ["COLUMNS", "STATES", "bounds", "parts", "stream"]

BOM = "\ufeff".encode()
PAGE_ROWS = {"sqlite": 10_000, "postgresql": 20_000}
"""Signatures of one part. PostgreSQL plans each part anew; for SQLite the part is in memory twice."""

_wants_no_more = (
    sa.select(MailStop.canonical_email).where(MailStop.canonical_email == Signature.canonical_email).exists()
)


CELLS = {
    "signature_id": Cell(Signature.public_id),
    "name": Cell(Submission.name, Kind.TEXT),
    "email": Cell(Submission.email, Kind.LINE),
    "country": Cell(Submission.country),
    "postcode": Cell(Submission.postcode, Kind.TEXT),
    "comment": Cell(Submission.comment, Kind.TEXT),
    "show_name": Cell(Submission.show_name, Kind.TICK),
    # The tick, unless its owner has taken it back since: staff write to who is listed here.
    "updates": Cell(sa.and_(Submission.updates, ~_wants_no_more), Kind.TICK),
    "state": Cell(Signature.state),
    "signed_at": Cell(Signature.signed_at, Kind.MOMENT),
    "confirmed_at": Cell(Signature.confirmed_at, Kind.MOMENT),
    "language": Cell(Submission.language),
    "source": Cell(Submission.source),
}


def parts(connection: sa.Connection, campaign_id: int, wanted: Wanted) -> Iterator[Part]:
    """The CSV in parts: RFC 4180, UTF-8, one header row and one row per signature.

    The connection sees one snapshot. Rows come a page at a time by id, so that memory stays small
    and no statement takes long. An error in the middle is raised, never swallowed: the transfer
    then breaks off and no part looks whole.
    """
    cells = {name: CELLS[name] for name in wanted.columns}
    size = PAGE_ROWS[connection.dialect.name]
    yield Part((BOM if wanted.bom else b"") + csv_parts.header(wanted.columns))
    after, is_last = 0, False
    while not is_last:
        last, found = connection.execute(_page(campaign_id, wanted.state, after, size)).one()
        if last is None:
            break
        rows = _rows(campaign_id, wanted, after, last).order_by(Signature.id)
        yield csv_parts.part(connection, rows, cells, last)
        after, is_last = last, found < size


def stream(
    connection: sa.Connection, campaign_id: int, state: str = SignatureState.CONFIRMED, *, bom: bool = False
) -> Iterator[bytes]:
    """All columns of the signatures in this state, in parts."""
    for part in parts(connection, campaign_id, Wanted(state=state, bom=bom)):
        yield part.raw


def bounds(connection: sa.Connection, campaign_id: int) -> tuple[int, int]:
    """The ids of the campaign's first and last signature, by the index; (0, 0) where there is none."""
    ends = []
    for end in (sa.func.min, sa.func.max):
        of_each = [
            sa.select(end(Signature.id).label("id")).where(
                Signature.campaign_id == campaign_id, Signature.state == each
            )
            for each in SignatureState
        ]
        ends.append(connection.scalar(sa.select(end(sa.union_all(*of_each).subquery().c.id))) or 0)
    return ends[0], ends[1]


def _page(campaign_id: int, state: str, after: int, size: int) -> sa.Select[int | None, int]:
    """(the last id of the next page, how many signatures it has), along the index of campaign, state and id."""
    states = list(SignatureState) if state == ALL else [state]
    ids = sa.union_all(
        *(
            sa.select(
                sa.select(Signature.id)
                .where(Signature.campaign_id == campaign_id, Signature.state == each, Signature.id > after)
                .order_by(Signature.id)
                .limit(size)
                .subquery()
            )
            for each in states
        )
    ).subquery()
    next_ones = sa.select(ids.c.id).order_by(ids.c.id).limit(size).subquery()
    return sa.select(sa.func.max(next_ones.c.id), sa.func.count())


def _rows(campaign_id: int, wanted: Wanted, after: int, last: int) -> sa.Select[*tuple[Any, ...]]:
    """Signatures of a range of ids, each with the submission that counts or, before that, its latest."""
    rows = (
        sa.select(sa.literal(1))
        .select_from(Signature)
        # The first condition is for the database: it makes a range of ids a range of submissions too.
        .join(Submission, sa.and_(Submission.signature_id == Signature.id, SPEAKS_FOR_IT))
        .where(
            Signature.campaign_id == campaign_id,
            Signature.id > after,
            Signature.id <= last,
            Submission.signature_id > after,
            Submission.signature_id <= last,
        )
    )
    if wanted.state != ALL:
        rows = rows.where(Signature.state == wanted.state)
    if wanted.country:
        rows = rows.where(Submission.country == wanted.country)
    if wanted.language:
        rows = rows.where(Submission.language == wanted.language)
    if wanted.signed_from:
        rows = rows.where(Signature.signed_at >= wanted.signed_from)
    if wanted.signed_before:
        rows = rows.where(Signature.signed_at < wanted.signed_before)
    return rows
