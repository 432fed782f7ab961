"""From a file to officials: which kind it is, how its columns are to be read, and each entry checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from babel import Locale

from actionkit import countries, db, languages
from actionkit.content.fields import ContentFault, Fields
from actionkit.content.officials import OfficialRecord, official_of
from actionkit.officials import columns, congress, popolo, tables
from actionkit.officials.files import decode
from actionkit.officials.operations import slug_of
from actionkit.officials.sheets import Fault, Kind, Sheet

WORDS_IN = ("en", "it", "de", "fr", "es", "hi", "pt", "nl", "pl")
"""Languages in which names of countries and of languages are understood."""


@dataclass(frozen=True)
class Choices:
    """How a file is to be read, as staff have it or as it was guessed."""

    fields: tuple[str, ...] = ()
    """Of each column, one of `columns.FIELDS`; "" = it is left out."""
    language: str = ""
    """Of entries that name none; "" = they are faulty."""
    country: str = ""
    """Of entries that name none."""
    campaign: str = ""
    """The slug of the campaign that is to write to them; "" = none."""

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "fields": list(self.fields)}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Choices:
        return cls(**{**stored, "fields": tuple(stored.get("fields", ()))})


@dataclass(frozen=True)
class Entry:
    """An official of a file, checked. Its record has no id ("") where the file gave none."""

    number: int
    record: OfficialRecord


@dataclass
class Read:
    """A file as these choices read it."""

    sheet: Sheet
    choices: Choices
    entries: list[Entry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    without_address: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Entries without a mail address, (number, fields): they cannot be written to, and are left out."""


def open_sheet(raw: bytes) -> Sheet:
    """The file taken apart. Raises `files.FileRefused`."""
    given = decode(raw)
    start = given.text.lstrip()[:1]
    today = db.now().date()
    if start in ("{", "["):
        return popolo.read(given, today)
    if congress.LOOKS_LIKE.match(given.text):
        return congress.read(given, today)
    return tables.read(given)


def guess(sheet: Sheet) -> Choices:
    """How the file is most likely meant."""
    if sheet.kind is Kind.CSV:
        return Choices(tuple(columns.guess(sheet.header, [cells for _number, cells in sheet.rows[:50]])))
    return Choices(sheet.header)


def missing(choices: Choices) -> list[str]:
    """The fields that no column gives and no default fills in."""
    has_name = {"name"} & set(choices.fields) or {"first_name", "last_name"} & set(choices.fields)
    found = [] if has_name else ["name"]
    found += [] if "language" in choices.fields or choices.language else ["language"]
    return found if "email" in choices.fields else [*found, "email"]


def read(sheet: Sheet, choices: Choices) -> Read:
    """Check every entry. Where a field is missing in all of them there is one fault, of the header's row."""
    if len(choices.fields) != len(sheet.header):
        choices = replace(choices, fields=guess(sheet).fields)
    found = Read(sheet, choices, faults=list(sheet.faults))
    if lacking := missing(choices):
        found.faults = [Fault(1, name, f"the column {name} is missing") for name in lacking]
        return found
    seen: dict[object, int] = {}
    for number, cells in sheet.rows:
        values = _values(choices, cells)
        if not values["email"].strip():
            if sheet.kind is Kind.CSV:
                found.faults.append(Fault(number, "email", "is missing"))
            found.without_address.append((number, values))
            continue
        try:
            entry = Entry(number, _record(values))
        except ContentFault as fault:
            found.faults.append(Fault(number, fault.name, fault.message))
            continue
        if twice := _twice(entry, seen):
            found.faults.append(twice)
        else:
            found.entries.append(entry)
    found.faults.sort(key=lambda fault: fault.number)
    return found


def _twice(entry: Entry, seen: dict[object, int]) -> Fault | None:
    record = entry.record
    key: object = record.slug or (record.emails[0].lower(), record.name.casefold())
    if key not in seen:
        seen[key] = entry.number
        return None
    if record.slug:
        return Fault(entry.number, "id", f"'{record.slug}' stands in row {seen[key]} already")
    return Fault(entry.number, "email", f"this name and address stand in row {seen[key]} already")


def _record(values: dict[str, str]) -> OfficialRecord:
    row = Fields("", dict(values), {})
    return official_of(row, slug=None if values.get("id", "").strip() else "")


def _values(choices: Choices, cells: Sequence[str]) -> dict[str, str]:
    """The fields of one entry; what its country and its language are called becomes a code."""
    values = {name: cell for name, cell in zip(choices.fields, cells, strict=True) if name}
    first, last = values.pop("first_name", ""), values.pop("last_name", "")
    if not values.get("name", "").strip():
        values["name"] = f"{first.strip()} {last.strip()}".strip()
    if choices.country and not values.get("country", "").strip():
        values["country"] = choices.country
    if choices.language and not values.get("language", "").strip():
        values["language"] = choices.language
    if "country" in values:
        values["country"] = _country(values["country"])
    values["language"] = _language(values.get("language", ""))
    return values


def _country(said: str) -> str:
    word = said.strip()
    return word if word.upper() in countries.CODES else _country_names().get(columns.plain(word), said)


def _language(said: str) -> str:
    word = said.strip().replace("_", "-")
    base, dash, region = word.partition("-")
    tag = f"{base.lower()}{dash}{region.upper() if len(region) == 2 else region}"
    return tag if languages.is_language(tag) else _language_names().get(columns.plain(word), said)


@cache
def _country_names() -> dict[str, str]:
    names = ((columns.plain(countries.name(code, here)), code) for here in WORDS_IN for code in countries.CODES)
    more = {"usa": "US", "unitedstatesofamerica": "US", "uk": "GB", "greatbritain": "GB"}
    return {name: code for name, code in names if name} | more


@cache
def _language_names() -> dict[str, str]:
    found: dict[str, str] = {}
    for here in WORDS_IN:
        for tag, name in Locale.parse(here).languages.items():
            if re.fullmatch("[a-z]{2,3}", tag) and languages.is_language(tag):
                found.setdefault(columns.plain(name), tag)
    return found


def to_fill(found: Read) -> list[dict[str, str]]:
    """The entries without an address, with the ids that they will be known by: a table to be filled in."""
    return [{**values, "id": values.get("id") or slug_of(values["name"])} for _number, values in found.without_address]
