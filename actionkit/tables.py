"""Tables that people send as CSV, in any common spelling: which encoding, which separator, which rows.

RFC 4180 is read as it is; and semicolons, tabs, a byte order mark, UTF-16 and Windows-1252, as the
spreadsheets of this world write them.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

DELIMITERS = (",", ";", "\t", "|")
MOST_COLUMNS = 100
LONGEST_CELL = 20_000
_SEPARATOR_LINE = re.compile(r'\A"?sep=(.)"?(\r\n|\r|\n)', re.IGNORECASE)
"""With which spreadsheets tell each other the separator."""
_NO_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"\x1f\x8b")
"""How spreadsheets, PDF and packed files begin."""
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LOOKED_AT = 30

Row = tuple[int, list[str]]
"""(its number, counted from 1 with the header as the first; its cells)"""


class NoTable(ValueError):
    """The bytes are no table; the word says why: `empty`, `no-text`, `encoding`, `row`, `columns`."""


@dataclass(frozen=True)
class Table:
    """A file taken apart as far as its header. Rows are read from it one by one."""

    text: str
    delimiter: str
    header: tuple[str, ...]
    first: int
    """The number of the header's row."""

    def rows(self) -> Iterator[Row]:
        """Every row that has cells, as wide as the header. Raises `NoTable` for quotes that never end."""
        width = len(self.header)
        for number, cells in islice(_records(self.text, self.delimiter, self.first), 1, None):
            if any(cell.strip() for cell in cells):
                yield number, (cells + [""] * width)[:width]


def read(raw: bytes) -> Table:
    """The table. Raises `NoTable`."""
    text, first = _text(raw), 1
    delimiter = ""
    if line := _SEPARATOR_LINE.match(text):
        text, delimiter, first = text[line.end() :], line[1], 2
    delimiter = delimiter or max(DELIMITERS, key=lambda each: _likeliness(text, each))
    header = [" ".join(cell.split())[:60] for cell in next(_records(text, delimiter, first), (first, []))[1]]
    while header and not header[-1]:
        header.pop()
    if not header or len(header) > MOST_COLUMNS:
        raise NoTable("columns")
    return Table(text, delimiter, tuple(header), first)


def plain(heading: str) -> str:
    """A heading without capitals, accents, blanks and signs: "E-Mail " and "e_mail" are one."""
    letters = unicodedata.normalize("NFKD", heading.casefold())
    return re.sub(r"[\W_]+", "", "".join(c for c in letters if not unicodedata.combining(c)))


def _records(text: str, delimiter: str, first: int) -> Iterator[Row]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from enumerate(rows, first)
    except csv.Error:
        raise NoTable("row") from None


def _likeliness(text: str, delimiter: str) -> tuple[int, int]:
    """How well a separator explains the first rows: how many are as wide as the first, and that width."""
    rows = []
    try:
        for _number, cells in islice(_records(text, delimiter, 1), _LOOKED_AT):
            rows.append(len(cells))
    except NoTable:
        return (0, 0)
    if not rows or rows[0] < 2:
        return (0, 0)
    return (rows.count(rows[0]), rows[0])


def _text(raw: bytes) -> str:
    if not raw.strip():
        raise NoTable("empty")
    if raw.startswith(_NO_TEXT):
        raise NoTable("no-text")
    for encoding in _encodings(raw):
        try:
            text = raw.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise NoTable("encoding")
    if _CONTROLS.search(text):
        raise NoTable("no-text")
    return text


def _encodings(raw: bytes) -> tuple[str, ...]:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ("utf-16",)
    # Latin letters in UTF-16 have a NUL each, before them or after; no other encoding of text has any.
    start = raw[:2000]
    if start[1::2].count(0) * 4 > len(start):
        return ("utf-16-le",)
    if start[::2].count(0) * 4 > len(start):
        return ("utf-16-be",)
    return ("utf-8-sig", "cp1252")
