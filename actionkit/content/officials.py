"""One official as a file describes it: its fields checked, and what becomes of it. Nothing here commits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from actionkit.campaigns.models import LetterMode, Official
from actionkit.content import fields as read
from actionkit.content.fields import Fields
from actionkit.letters import addresses
from actionkit.text import has_letter, line_is_clean

T = TypeVar("T")

NO_EMAILS: tuple[str, ...] = ()

COLUMNS = ("id", "name", "salutation", "office", "organisation", "country", "language", "email", "address")
"""Of `officials.csv`, all of which must be there."""
MORE_COLUMNS = ("timezone", "mode", "other_emails")
"""Which may be there. What a file lacks stays as staff have set it."""

RESERVED = frozenset({"export", "import"})
"""Ids that are no official's, since pages of the desk stand there."""


@dataclass(frozen=True)
class OfficialRecord:
    """An official with its fields checked. None = the file does not say."""

    slug: str
    name: str
    emails: tuple[str, ...]
    """Normal addresses, the first of which is to be used."""
    salutation: str | None
    office: str | None
    organisation: str | None
    country: str | None
    language: str
    postal_address: str | None
    timezone: str | None
    wants_digest: bool | None

    @property
    def columns(self) -> dict[str, object]:
        """What is to be set of an official, its addresses apart."""
        values = {name: value for name, value in vars(self).items() if name not in ("slug", "emails")}
        return {name: value for name, value in values.items() if value is not None}


def official_of(row: Fields, slug: str | None = None) -> OfficialRecord:
    """The official of a row, with this id or that of the row. Raises `ContentFault`."""
    return OfficialRecord(
        slug=slug if slug is not None else row.take("id", _id),
        name=row.take("name", _name),
        salutation=_said(row, "salutation", _line(200), ""),
        office=_said(row, "office", _line(300), ""),
        organisation=_said(row, "organisation", _line(300), ""),
        country=_said(row, "country", read.country, ""),
        language=row.take("language", read.language),
        emails=_all_different(row.take("email", _emails) + row.take("other_emails", _emails, NO_EMAILS)),
        postal_address=_said(row, "address", _postal, ""),
        timezone=_said(row, "timezone", read.timezone, ""),
        wants_digest=_said(row, "mode", _wants_digest, False),
    )


def _said(row: Fields, name: str, reader: Callable[[str], T], empty: T) -> T | None:
    """A field that may be empty; None where the file has no such column."""
    return row.take(name, reader, empty) if name in row.values else None


@dataclass(frozen=True)
class Difference:
    """A field of a stored official that a record would change."""

    field: str
    """A column of `Official`; "email" is the address in use, "other_emails" those beside it."""
    before: object
    after: object


def differences(official: Official, record: OfficialRecord) -> list[Difference]:
    """What `describe` would change of a stored official."""
    found = [
        Difference(name, getattr(official, name), value)
        for name, value in record.columns.items()
        if getattr(official, name) != value
    ]
    first, *others = record.emails
    known = {official.email.lower(), *(each.email.lower() for each in official.addresses)}
    if first.lower() not in known:
        found.append(Difference("email", official.email, first))
    if new := [each for each in others if each.lower() not in known]:
        found.append(Difference("other_emails", "", "; ".join(new)))
    return found


def describe(official: Official, record: OfficialRecord) -> list[Difference]:
    """Have a stored official be what a record says; what that changed.

    Only what differs is assigned, so that an unchanged one is not touched. A new address is used
    from now on; one that is known keeps its place: see `addresses.told`.
    """
    changed = differences(official, record)
    for each in changed:
        if each.field == "email":
            addresses.told(official, record.emails[0])
        elif each.field != "other_emails":
            setattr(official, each.field, each.after)
    for other in record.emails[1:]:
        addresses.add(official, other)
    return changed


def begin(official: Official, record: OfficialRecord) -> None:
    """Fill in a new official."""
    for name, value in record.columns.items():
        setattr(official, name, value)
    first, *others = record.emails
    addresses.begin(official, first)
    for other in others:
        addresses.add(official, other)


# ---------------------------------------------------------------- fields


def _id(raw: str) -> str:
    if read.slug(raw) in RESERVED:
        raise ValueError(f"'{raw}' cannot be an id: a page stands there")
    return raw


def _line(longest: int) -> Callable[[str], str]:
    """A line under the rules of a supporter's name: it goes into mails, pages, lists and spreadsheets."""
    of_one_line = read.text(longest)

    def line(raw: str) -> str:
        if not line_is_clean(of_one_line(raw)):
            raise ValueError("holds what cannot be taken: < > { }, a link, or = + - @ at its beginning")
        return raw

    return line


def _name(raw: str) -> str:
    if not has_letter(_line(200)(raw)):
        raise ValueError("needs at least one letter")
    return raw


def _postal(raw: str) -> str:
    """In one line: spreadsheets keep addresses in cells of several."""
    lines = [line.strip(" \t,") for line in re.split(r"\r\n|\r|\n", raw)]
    return _line(500)(", ".join(line for line in lines if line))


def _emails(raw: str) -> tuple[str, ...]:
    """One address, or several with semicolons or commas between them."""
    parts = [part.strip() for part in re.split("[;,]", raw) if part.strip()]
    if not parts or len(parts) > addresses.MOST_ADDRESSES:
        raise ValueError(f"one address is needed, and at most {addresses.MOST_ADDRESSES}")
    return tuple(read.email(part) for part in parts)


def _all_different(emails: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(emails))


def _wants_digest(raw: str) -> bool:
    """ "digest"; "each", which is what all others get, or nothing."""
    if raw not in (LetterMode.DIGEST, LetterMode.EACH):
        raise ValueError(f"'digest' or nothing is needed, not '{raw[:40]}'")
    return raw == LetterMode.DIGEST
