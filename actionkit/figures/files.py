"""The numbers of a page as CSV: RFC 4180, UTF-8, a header and one row for each number. No person is in them."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Sequence

from flask import Response

from actionkit.figures.numbers import Comparison, Funnel, Part, Point

Row = Sequence[str | int | None]


def points(name: str, found: Iterable[Point]) -> list[Row]:
    """`name` is "hour" or "day"."""
    return [(name, "signatures"), *((_moment(name, each.at), each.number) for each in found)]


def parts(name: str, found: Iterable[Part]) -> list[Row]:
    return [(name, "signatures"), *((each.value, each.number) for each in found)]


def funnel(found: Funnel) -> list[Row]:
    return [
        ("step", "number"),
        ("opened", found.opened),
        ("signed", found.signed),
        ("confirmed", found.confirmed),
        ("imported", found.imported),
    ]


def campaigns(found: dict[str, int]) -> list[Row]:
    return [("campaign", "signatures"), *found.items()]


def comparison(found: Comparison, slugs: dict[int, str]) -> list[Row]:
    """A column for each campaign; empty where it had not begun."""
    name = "day" if found.days and isinstance(found.days[0], int) else "date"
    columns = [found.numbers[id_] for id_ in slugs]
    days = [day + 1 if isinstance(day, int) else day.isoformat() for day in found.days]
    return [(name, *slugs.values()), *zip(days, *columns, strict=True)]


def response(rows: Iterable[Row], name: str) -> Response:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    answer = Response(buffer.getvalue(), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _moment(name: str, at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%d" if name == "day" else "%Y-%m-%dT%H:%M:%SZ")
