"""Long lists for staff: a page at a time, never counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from actionkit import db
from actionkit.numbers import whole_number

PER_PAGE = 50
LAST_PAGE = 10_000

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, and whether there are more."""

    rows: Sequence[T]
    number: int
    has_next: bool


def page_number(text: str) -> int:
    """A page's number from a query; whatever is none is the first."""
    return min(max(whole_number(text, most_digits=8) or 1, 1), LAST_PAGE)


def page_of(query: sa.Select[*tuple[Any, ...]], number: int) -> Page[sa.Row[*tuple[Any, ...]]]:
    rows = db.session.execute(query.limit(PER_PAGE + 1).offset((number - 1) * PER_PAGE)).all()
    return Page(rows[:PER_PAGE], number, len(rows) > PER_PAGE)
