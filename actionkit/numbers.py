"""Numbers that come from outside as text."""

from __future__ import annotations

MOST_DIGITS = 9
"""Nine digits fit into every database's INTEGER."""


def whole_number(text: str | None, *, most_digits: int = MOST_DIGITS) -> int | None:
    """The number, or None for what is none: only ASCII digits count, and at most so many."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= most_digits else None
