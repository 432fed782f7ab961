"""One row of a file, checked as the sign form checks what a person types."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from flask_babel import lazy_gettext as _

from actionkit import addresses, countries
from actionkit.forms import LONGEST_NAME, LONGEST_POSTCODE, line, prose
from actionkit.imports.choices import Choices
from actionkit.signing.forms import LONGEST_COMMENT
from actionkit.tables import plain
from actionkit.text import has_letter, line_is_clean, prose_is_clean

REASONS = {
    "missing": _("is missing"),
    "too-long": _("is too long"),
    "characters": _("holds characters that we cannot take"),
    "no-address": _("is no complete e-mail address"),
    "no-country": _("is no country that we know"),
    "no-day": _("is no day: write 2026-03-31 or 31.3.2026"),
    "future": _("lies in the future"),
    "already": _("has signed this campaign already, or stands in the file twice"),
}
YES = frozenset("1 y yes true x on ja si sí oui da sim sì हाँ".split())
EARLIEST = dt.date(1990, 1, 1)
WORDS_IN = ("en", "it", "de", "fr", "es", "hi", "pt", "nl")
"""Languages in which names of countries are understood."""
_DAY_FIRST = re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{4})")


class Faulty(ValueError):
    """A row that cannot be taken: which field, and one of `REASONS`."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field, self.reason = field, reason


@dataclass(frozen=True, slots=True)
class Person:
    """What a row says, as it is stored."""

    name: str
    email: str
    address: str
    """Canonical."""
    country: str
    postcode: str
    comment: str
    show_name: bool
    updates: bool
    signed_on: dt.date


def person(choices: Choices, cells: Sequence[str], today: dt.date) -> Person:
    """Raises `Faulty`."""
    said = {field: cell for field, cell in zip(choices.fields, cells, strict=True) if field}
    name = line(said.get("name") or f"{said.get('first_name', '')} {said.get('last_name', '')}")
    _check_line("name", name, LONGEST_NAME)
    if not has_letter(name):
        raise Faulty("name", "missing")
    typed = line(said.get("email", ""))
    if not typed:
        raise Faulty("email", "missing")
    try:
        address = addresses.read(typed)
    except addresses.AddressInvalid:
        raise Faulty("email", "no-address") from None
    postcode = line(said.get("postcode", ""))
    _check_line("postcode", postcode, LONGEST_POSTCODE)
    comment = prose(said.get("comment", ""))
    if len(comment) > LONGEST_COMMENT:
        raise Faulty("comment", "too-long")
    if not prose_is_clean(comment):
        raise Faulty("comment", "characters")
    return Person(
        name=name,
        email=address.normal,
        address=address.canonical,
        country=_country(line(said.get("country", "")) or choices.country),
        postcode=postcode,
        comment=comment,
        show_name=_is_yes(said.get("show_name", "")),
        # Without the words that she was shown, a tick is no consent.
        updates=bool(choices.updates_wording) and _is_yes(said.get("updates", "")),
        signed_on=_day(line(said.get("signed_on", "")), choices.day, today),
    )


def _check_line(field: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise Faulty(field, "too-long")
    if not line_is_clean(text):
        raise Faulty(field, "characters")


def _is_yes(cell: str) -> bool:
    return cell.strip().casefold() in YES


@lru_cache(maxsize=1000)
def _country(said: str) -> str:
    if not said:
        raise Faulty("country", "missing")
    code = said.upper() if said.isascii() else said
    if code in countries.CODES:
        return code
    word = plain(said)
    for here in WORDS_IN:
        for code, name in countries.choices(here):
            if plain(name) == word:
                return code
    raise Faulty("country", "no-country")


@lru_cache(maxsize=10_000)
def _day(said: str, otherwise: dt.date, today: dt.date) -> dt.date:
    """ISO 8601, with or without a time; or the day first, as most of the world writes it."""
    if not said:
        return otherwise
    try:
        if found := _DAY_FIRST.fullmatch(said):
            day = dt.date(int(found[3]), int(found[2]), int(found[1]))
        else:
            day = dt.date.fromisoformat(said[:10])
    except ValueError:
        raise Faulty("signed_on", "no-day") from None
    if day > today:
        raise Faulty("signed_on", "future")
    if day < EARLIEST:
        raise Faulty("signed_on", "no-day")
    return day
