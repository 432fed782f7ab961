"""Officials from Popolo JSON (popoloproject.com): persons with their memberships, organizations, posts and areas."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import defaultdict
from typing import Any

from flask_babel import gettext

from actionkit.officials.files import MOST_ROWS, FileRefused, Text
from actionkit.officials.operations import slug_of
from actionkit.officials.sheets import Fault, Kind, Sheet

COLUMNS = ("id", "name", "salutation", "office", "organisation", "country", "email", "address", "other_emails")
_COUNTRY = re.compile(r"\bcountry[:=]([a-z]{2})\b", re.IGNORECASE)
"""In the ids of divisions, such as ocd-division/country:it."""
_SURROGATES = re.compile("[\ud800-\udfff]")

Thing = dict[str, Any]


def read(given: Text, today: dt.date) -> Sheet:
    """Each person with the membership that is in force, the latest where there are several. Raises `FileRefused`."""
    try:
        found = json.loads(given.text)
    except (ValueError, RecursionError):
        raise FileRefused(gettext("This begins like JSON, and cannot be read as such.")) from None
    document = {"persons": found} if isinstance(found, list) else found
    persons = document.get("persons") if isinstance(document, dict) else None
    if not isinstance(persons, list):
        raise FileRefused(gettext("This JSON has no list of persons, as Popolo has."))
    if len(persons) > MOST_ROWS:
        raise FileRefused(gettext("The file has more than %(n)s persons. Please split it.", n=MOST_ROWS))
    places = _Places(document, today)
    sheet = Sheet(Kind.POPOLO, COLUMNS, encoding=given.encoding)
    for number, person in enumerate(persons, 1):
        if isinstance(person, dict):
            sheet.rows.append((number, tuple(places.cells(person))))
        else:
            sheet.faults.append(Fault(number, "", "is no person"))
    return sheet


class _Places:
    """What persons belong to, by their ids."""

    def __init__(self, document: Thing, today: dt.date) -> None:
        self._today = today.isoformat()
        self._organisations = _by_id(document.get("organizations"))
        self._posts = _by_id(document.get("posts"))
        self._areas = _by_id(document.get("areas"))
        self._memberships: defaultdict[str, list[Thing]] = defaultdict(list)
        for membership in _things(document.get("memberships")):
            self._memberships[_text(membership.get("person_id"))].append(membership)

    def cells(self, person: Thing) -> list[str]:
        membership = self._in_force([*_things(person.get("memberships")), *self._memberships[_text(person.get("id"))]])
        organisation = _inner(membership, "organization", self._organisations)
        post = _inner(membership, "post", self._posts)
        area = _inner(membership, "area", self._areas) or _inner(post, "area", self._areas)
        details = [*_things(person.get("contact_details")), *_things(membership.get("contact_details"))]
        mailboxes = _contacts([*details, *_things(post.get("contact_details"))], "email")
        emails = [_text(person.get("email")), *mailboxes]
        given = [mail.removeprefix("mailto:") for mail in dict.fromkeys(emails) if mail]
        name = _text(person.get("name")) or f"{_text(person.get('given_name'))} {_text(person.get('family_name'))}"
        return [
            slug_of(_text(person.get("id")))[:100].strip("-"),
            name.strip(),
            "",
            _text(membership.get("role")) or _text(membership.get("label")) or _text(post.get("label")),
            _text(organisation.get("name")),
            self._country(area, organisation, membership),
            given[0] if given else "",
            next(iter(_contacts(details, "address")), ""),
            "; ".join(given[1:]),
        ]

    def _in_force(self, memberships: list[Thing]) -> Thing:
        """The latest that has begun and not ended; else the latest of all."""

        def began(membership: Thing) -> tuple[bool, bool, str]:
            end, start = _text(membership.get("end_date")), _text(membership.get("start_date"))
            is_open = (not end or end >= self._today[: len(end)]) and start <= self._today
            # A seat in a parliament says more than that in its party.
            return (is_open, "organization_id" in membership or "organization" in membership, start)

        return max(memberships, key=began, default={})

    def _country(self, *things: Thing) -> str:
        for thing in things:
            for name in ("id", "area_id", "division_id", "jurisdiction_id"):
                if found := _COUNTRY.search(_text(thing.get(name))):
                    return found[1].upper()
        return ""


def _things(found: object) -> list[Thing]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _by_id(found: object) -> dict[str, Thing]:
    return {_text(each.get("id")): each for each in _things(found)}


def _inner(thing: Thing, name: str, known: dict[str, Thing]) -> Thing:
    """What stands inside, or is named by its id."""
    inside = thing.get(name)
    return inside if isinstance(inside, dict) else known.get(_text(thing.get(f"{name}_id")), {})


def _contacts(details: list[Thing], kind: str) -> list[str]:
    return [_text(each.get("value")) for each in details if _text(each.get("type")).lower() == kind]


def _text(found: object) -> str:
    """A value as text. Half a surrogate pair is text in JSON and nowhere else."""
    if isinstance(found, bool) or not isinstance(found, str | int):
        return ""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", str(found)).strip()
