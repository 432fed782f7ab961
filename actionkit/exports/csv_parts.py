"""Rows of the database as CSV (RFC 4180), written as fast as the database reads them.

The database itself makes the text: PostgreSQL by COPY, SQLite by `printf`, one text for a whole row.
Both guard what a spreadsheet would take for a formula, and quote what needs it and nothing else, so
the bytes are the same. Figures, and what was slower: docs/decisions/0025-export.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import sqlalchemy as sa
from psycopg.abc import PQGen

from actionkit.text import FORMULA_STARTS

END_OF_ROW = b"\r\n"

_ASCII_STARTS, _WIDE_STARTS = ([c for c in FORMULA_STARTS if c.isascii() == is_ascii] for is_ascii in (True, False))
_FIRST_WIDE = "\uff00"


class Kind(Enum):
    """What a cell may hold, and so what has to be done about it."""

    WORD = auto()
    """Ours: a code, an id. Nothing has to be done."""
    LINE = auto()
    """Somebody's, without a comma, a quote or a line break: an address. It may look like a formula."""
    TEXT = auto()
    """Somebody's, of any kind."""
    TICK = auto()
    MOMENT = auto()


@dataclass(frozen=True)
class Cell:
    """A column of the file, and what stands in it."""

    value: Any
    """An expression of SQLAlchemy."""
    kind: Kind = Kind.WORD


@dataclass(frozen=True)
class Part:
    """Some rows of a file, whole ones."""

    raw: bytes
    rows: int = 0
    up_to: int = 0
    """The id up to which the table has been read."""


def header(names: Sequence[str]) -> bytes:
    return ",".join(names).encode() + END_OF_ROW


def part(connection: sa.Connection, rows: sa.Select[*tuple[Any, ...]], cells: Mapping[str, Cell], up_to: int) -> Part:
    """The rows that `rows` finds, which need select nothing yet, with these cells."""
    lines = (_printed if connection.dialect.name == "sqlite" else _copied)(connection, rows, list(cells.values()))
    return Part(END_OF_ROW.join([*lines, b""]) if lines else b"", len(lines), up_to)


def _literal(text: str) -> sa.ColumnElement[str]:
    """In the statement itself, and no parameter that would be sent for each cell again."""
    quoted = text.replace("'", "''")
    return sa.literal_column(f"'{quoted}'", sa.String)


def _starts_with(column: sa.ColumnElement[Any], characters: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.func.substr(column, 1, 1).in_([_literal(each) for each in characters])


def _tick(condition: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.case((condition, _literal("true")), else_=_literal("false"))


# ---------------------------------------------------------------- PostgreSQL


def _copied(connection: sa.Connection, rows: sa.Select[*tuple[Any, ...]], cells: Sequence[Cell]) -> list[memoryview]:
    # What is empty is NULL for COPY, which then writes no quotes; but a row of one empty cell needs
    # them, or a reader takes it for no row at all.
    empty = sa.func.nullif if len(cells) > 1 else sa.func.coalesce
    query = rows.with_only_columns(*(empty(_for_copy(cell), _literal("")) for cell in cells))
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY ({compiled}) TO STDOUT (FORMAT csv)", compiled.params) as copy:
        return raw.wait(_all_lines(copy))


def _all_lines(copy: Any) -> PQGen[list[memoryview]]:
    """Every line without its line feed; the server sends a row at a time.

    In one wait: psycopg's own loop waits for each row by itself, which costs as much as all the rest.
    """
    lines = []
    while line := (yield from copy._read_gen()):
        lines.append(line[:-1])
    return lines


def _for_copy(cell: Cell) -> sa.ColumnElement[Any]:
    value = cell.value
    match cell.kind:
        case Kind.LINE | Kind.TEXT:
            return sa.case((_starts_with(value, FORMULA_STARTS), _literal("'").concat(value)), else_=value)
        case Kind.TICK:
            return _tick(value)
        case Kind.MOMENT:  # our connections speak UTC
            return sa.func.to_char(value, _literal('YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    return value


# ---------------------------------------------------------------- SQLite


def _printed(connection: sa.Connection, rows: sa.Select[*tuple[Any, ...]], cells: Sequence[Cell]) -> list[bytes]:
    line = sa.func.printf(_literal(",".join(["%s"] * len(cells))), *map(_for_printf, cells))
    found = connection.execute(
        rows.with_only_columns(line)
    ).cursor.fetchall()  # the driver's tuples, and no Row of each
    if len(cells) == 1:
        return [(text or '""').encode() for (text,) in found]
    return [text.encode() for (text,) in found]


def _for_printf(cell: Cell) -> sa.ColumnElement[Any]:
    value = cell.value
    match cell.kind:
        case Kind.LINE:
            return sa.case((_looks_like_a_formula(value), _literal("'").concat(value)), else_=value)
        case Kind.TEXT:
            quote = _literal('"')
            doubled = sa.func.replace(value, quote, _literal('""'))
            needs_quotes = value.op("GLOB")(_literal('*[",\r\n]*'))
            return sa.case(
                (value == _literal(""), value),  # most comments and many postcodes
                (
                    _looks_like_a_formula(value),
                    sa.case(
                        (needs_quotes, _literal("\"'").concat(doubled).concat(quote)), else_=_literal("'").concat(value)
                    ),
                ),
                (needs_quotes, quote.concat(doubled).concat(quote)),
                else_=value,
            )
        case Kind.TICK:
            return _tick(value)
        case Kind.MOMENT:  # stored as text, in UTC, with a blank and microseconds
            stored = sa.type_coerce(value, sa.String)
            return sa.func.replace(sa.func.substr(stored, 1, 19), _literal(" "), _literal("T")).concat(_literal("Z"))
    return value


def _looks_like_a_formula(value: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Compared as a whole first, which is cheap, and settles it for nearly everyone's name."""
    return sa.or_(
        sa.and_(value < _literal("A"), _starts_with(value, _ASCII_STARTS)),
        sa.and_(value >= _literal(_FIRST_WIDE), _starts_with(value, _WIDE_STARTS)),
    )
