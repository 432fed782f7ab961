"""CSV files of any common spelling, by the standard library's reader: its separator is found out, RFC 4180 or not."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice

from flask_babel import gettext

from actionkit.officials import columns
from actionkit.officials.files import MOST_ROWS, FileRefused, Text
from actionkit.officials.sheets import Fault, Kind, Sheet

DELIMITERS = (",", ";", "\t", "|")
MOST_COLUMNS = 200
_SEPARATOR_LINE = re.compile(r'\A"?sep=(.)"?(\r\n|\r|\n)', re.IGNORECASE)
"""With which spreadsheets tell each other the separator."""
_LOOKED_AT = 30


def read(given: Text) -> Sheet:
    """Every row that has cells. The first row names the columns. Raises `FileRefused`."""
    text, told, first = given.text, "", 1
    if line := _SEPARATOR_LINE.match(text):
        text, told, first = text[line.end() :], line[1], 2
    delimiter = told or max(DELIMITERS, key=lambda each: _likeliness(text, each))
    records = _records(text, delimiter, first)
    number, cells = next(records, (first, []))
    header = _header(cells, number)
    sheet = Sheet(Kind.CSV, header, encoding=given.encoding, delimiter=delimiter)
    for number, cells in records:
        if not any(cell.strip() for cell in cells):
            continue
        if sheet.count >= MOST_ROWS:
            raise FileRefused(gettext("The file has more than %(n)s rows. Please split it.", n=MOST_ROWS))
        filled = _without_empty_end(cells, len(header))
        if len(filled) == len(header):
            sheet.rows.append((number, tuple(filled)))
        else:
            sheet.faults.append(Fault(number, "", f"has {len(filled)} cells instead of {len(header)}"))
    return sheet


def _records(text: str, delimiter: str, first: int = 1) -> Iterator[tuple[int, list[str]]]:
    number = first - 1
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(rows, first):
            yield number, cells
    except csv.Error as error:
        said = gettext("This is no table: row %(number)s cannot be read (%(why)s).", number=number + 1, why=str(error))
        raise FileRefused(said) from None


def _likeliness(text: str, delimiter: str) -> tuple[int, int, int]:
    """How well a separator explains the first rows: headings that we know, rows of one width, and that width."""
    try:
        rows = [cells for _number, cells in islice(_records(text, delimiter), _LOOKED_AT) if any(cells)]
    except FileRefused:
        return (0, 0, 0)
    if not rows or len(rows[0]) < 2:
        return (0, 0, 0)
    width = len(rows[0])
    return (sum(map(bool, columns.guess(rows[0], []))), sum(len(row) == width for row in rows), width)


def _header(cells: list[str], number: int) -> tuple[str, ...]:
    header = [" ".join(cell.split())[:60] for cell in cells]
    while header and not header[-1]:
        header.pop()
    if not header:
        raise FileRefused(gettext("The first row must name the columns, and it is empty."))
    if len(header) > MOST_COLUMNS:
        raise FileRefused(gettext("The file has more than %(n)s columns.", n=MOST_COLUMNS))
    if any("@" in heading for heading in header):
        raise FileRefused(
            gettext("Row %(number)s must name the columns, and it holds an e-mail address.", number=number)
        )
    return tuple(header)


def _without_empty_end(cells: list[str], width: int) -> list[str]:
    """Spreadsheets write empty cells behind the last column."""
    while len(cells) > width and not cells[-1].strip():
        cells = cells[:-1]
    return cells
