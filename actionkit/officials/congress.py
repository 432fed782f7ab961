"""Members of the Congress of the United States, from the YAML of unitedstates/congress-legislators.

It holds no e-mail addresses. Only texts, lists and maps are read, as they stream by: no tags, so
nothing is made of it that runs, and no aliases, so a small file stays a small one in memory.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import yaml
from flask_babel import gettext

from actionkit.officials.files import MOST_ROWS, FileRefused, Text
from actionkit.officials.sheets import Fault, Kind, Sheet

COLUMNS = ("id", "name", "salutation", "office", "organisation", "country", "language", "email", "address")
LOOKS_LIKE = re.compile(r"\A(\s*(#[^\n]*)?\n|---[ \t]*\r?\n)*\s*-\s+(id|name|bio|terms):", re.IGNORECASE)
_DEEPEST = 10
_HOUSES = {
    "sen": ("Dear Senator {last}", "Senator for {place}", "United States Senate"),
    "rep": ("Dear Representative {last}", "Representative for {place}", "United States House of Representatives"),
}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(given: Text, today: dt.date) -> Sheet:
    """Each legislator whose last term goes on. Raises `FileRefused`."""
    sheet = Sheet(Kind.CONGRESS, COLUMNS, encoding=given.encoding)
    for number, legislator in enumerate(_entries(given.text), 1):
        if number > MOST_ROWS:
            raise FileRefused(gettext("The file has more than %(n)s entries. Please split it.", n=MOST_ROWS))
        terms = _list(legislator, "terms")
        term = terms[-1] if terms and isinstance(terms[-1], dict) else {}
        if _text(term, "type") not in _HOUSES:
            sheet.faults.append(Fault(number, "terms", "says no term as senator or representative"))
        elif _text(term, "end") < today.isoformat():
            sheet.faults.append(Fault(number, "terms", f"is no longer in office, since {_text(term, 'end') or 'ever'}"))
        else:
            sheet.rows.append((number, tuple(_cells(legislator, term))))
    return sheet


def _cells(legislator: dict[str, Any], term: dict[str, Any]) -> list[str]:
    names = legislator.get("name")
    names = names if isinstance(names, dict) else {}
    last = _text(names, "last")
    name = _text(names, "official_full") or f"{_text(names, 'first')} {last}".strip()
    ids = legislator.get("id")
    bioguide = _text(ids, "bioguide") if isinstance(ids, dict) else ""
    salutation, office, house = _HOUSES[_text(term, "type")]
    place, district = _text(term, "state"), _text(term, "district")
    if district and district != "0":
        place = f"{place}-{district}"
    return [
        f"us-{bioguide.lower()}" if bioguide else "",
        name,
        salutation.format(last=last) if last else "",
        office.format(place=place),
        house,
        "US",
        "en",
        "",
        _text(term, "address"),
    ]


# ---------------------------------------------------------------- YAML, as it streams by


def _entries(text: str) -> Iterator[dict[str, Any]]:
    """The maps of a list that is the whole document, one after the other."""
    try:
        events = yaml.parse(text, Loader=_Loader)
        for event in events:
            if isinstance(event, yaml.SequenceStartEvent):
                break
            if isinstance(event, yaml.MappingStartEvent | yaml.ScalarEvent):
                raise FileRefused(gettext("This YAML is no list of legislators."))
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                return
            entry = _value(event, events, 1)
            yield entry if isinstance(entry, dict) else {}
    except (yaml.YAMLError, UnicodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise FileRefused(gettext("This YAML cannot be read from line %(line)s on.", line=line)) from None


def _value(event: Any, events: Iterator[Any], depth: int) -> Any:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise FileRefused(gettext("This YAML has anchors or aliases, which are not read: they can hide very much."))
    if depth > _DEEPEST:
        raise FileRefused(gettext("This YAML is nested too deeply."))
    if isinstance(event, yaml.ScalarEvent):
        return str(event.value)
    if isinstance(event, yaml.SequenceStartEvent):
        values = []
        for inner in events:
            if isinstance(inner, yaml.SequenceEndEvent):
                break
            values.append(_value(inner, events, depth + 1))
        return values
    found: dict[str, Any] = {}
    for inner in events:
        if isinstance(inner, yaml.MappingEndEvent):
            break
        key = _value(inner, events, depth + 1)
        value = _value(next(events), events, depth + 1)
        found[str(key)] = value
    return found


def _list(thing: dict[str, Any], name: str) -> list[Any]:
    found = thing.get(name)
    return found if isinstance(found, list) else []


def _text(thing: dict[str, Any], name: str) -> str:
    found = thing.get(name)
    return found.strip() if isinstance(found, str) else ""
