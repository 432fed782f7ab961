"""Officials from a file: compared with those that are stored, stored all or only the good ones, and put back.

Nothing here commits. One that the file gives an id is found again by that id; one without by its
name and one of its addresses. So the same file twice leaves everything as after the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from actionkit import db
from actionkit.campaigns.models import Campaign, Official, OfficialAddress
from actionkit.content.officials import Difference, begin, describe, differences
from actionkit.letters import addresses
from actionkit.letters.operations import set_zones, stop_where_reported
from actionkit.officials import operations
from actionkit.officials.reading import Entry, Read
from actionkit.officials.sheets import Fault

AT_ONCE = 1_000
"""Values in one query."""
MOST_TOLD = 200
"""Changed addresses that the audit trail tells one by one."""

T = TypeVar("T")


class Effect(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Line:
    """What would become of one entry."""

    entry: Entry
    official: Official | None
    changes: list[Difference] = field(default_factory=list)

    @property
    def effect(self) -> Effect:
        if self.official is None:
            return Effect.NEW
        return Effect.CHANGED if self.changes else Effect.UNCHANGED


@dataclass
class Plan:
    """What a file would do, as things are now."""

    read: Read
    lines: list[Line]
    faults: list[Fault]

    def of(self, effect: str) -> list[Line]:
        return [line for line in self.lines if line.effect == effect]

    @property
    def numbers(self) -> dict[str, int]:
        counts = {str(effect): len(self.of(effect)) for effect in Effect}
        return {**counts, "faulty": len({fault.number for fault in self.faults})}


def compare(read: Read, changeable: Callable[[list[int]], set[int]] = set) -> Plan:
    """What the entries are to what is stored; `changeable` says which of these officials one may change."""
    by_slug = _by_slug([entry.record.slug for entry in read.entries if entry.record.slug])
    by_address = _by_address([entry.record.emails for entry in read.entries if not entry.record.slug])
    lines: list[Line] = []
    faults = list(read.faults)
    for entry in read.entries:
        record = entry.record
        if record.slug:
            stored = by_slug.get(record.slug)
        else:
            there = {each.id: each for email in record.emails for each in by_address.get(email.lower(), ())}
            stored = next((each for each in there.values() if each.name.casefold() == record.name.casefold()), None)
            if stored is None and there:
                other = next(iter(there.values()))
                said = f"is that of '{other.name}'; give the id {other.slug} to change that one"
                faults.append(Fault(entry.number, "email", said))
                continue
        lines.append(Line(entry, stored, differences(stored, record) if stored else []))
    allowed = changeable([line.official.id for line in lines if line.official and line.changes])
    for line in lines[:]:
        if line.official and line.changes and line.official.id not in allowed:
            faults.append(Fault(line.entry.number, "", "campaigns that are not yours write to this official"))
            lines.remove(line)
    faults.sort(key=lambda fault: fault.number)
    return Plan(read, lines, faults)


def _by_slug(slugs: Collection[str]) -> dict[str, Official]:
    found: dict[str, Official] = {}
    for some in _pieces(list(slugs)):
        query = sa.select(Official).where(Official.slug.in_(some)).options(selectinload(Official.addresses))
        found |= {each.slug: each for each in db.session.scalars(query)}
    return found


def _by_address(emails: Iterable[tuple[str, ...]]) -> dict[str, list[Official]]:
    found: dict[str, list[Official]] = {}
    wanted = list(dict.fromkeys(email.lower() for some in emails for email in some))
    for some in _pieces(wanted):
        query = (
            sa.select(Official, sa.func.lower(OfficialAddress.email).label("email"))
            .join(OfficialAddress)
            .where(sa.func.lower(OfficialAddress.email).in_(some))
            .options(selectinload(Official.addresses))
            .order_by(Official.id)
        )
        for row in db.session.execute(query):
            found.setdefault(row.email, []).append(row.Official)
    return found


def _pieces(values: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


# ---------------------------------------------------------------- storing


@dataclass
class Stored:
    """What a file has done. `before` is what `undoing.undo` needs."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    seated: list[int] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    new_addresses: list[dict[str, str]] = field(default_factory=list)
    """Old and new domain of each official that is written to elsewhere from now on."""

    @property
    def numbers(self) -> dict[str, Any]:
        """For the audit trail: how many, and where officials are written to elsewhere from now on."""
        return {
            "created": len(self.created),
            "changed": len(self.changed),
            "seated": len(self.seated),
            "addresses": self.new_addresses[:MOST_TOLD],
        }


def store(plan: Plan, campaign: Campaign | None) -> Stored:
    """Store every line of the plan, and have the campaign write to all of them."""
    done = Stored()
    new = [line for line in plan.lines if line.official is None]
    made = _create(new)
    changes: dict[str, Any] = {}
    for line in plan.of(Effect.CHANGED):
        assert line.official is not None
        changes[str(line.official.id)] = _change(line.official, line)
        done.changed.append(line.official.slug)
        for each in line.changes:
            if each.field == "email":
                old, new_one = addresses.domain(str(each.before)), addresses.domain(str(each.after))
                done.new_addresses.append({"official": line.official.slug, "old": old, "new": new_one})
    db.session.flush()
    everyone = [*made, *(line.official for line in plan.lines if line.official is not None)]
    touched = [*made, *(line.official for line in plan.of(Effect.CHANGED) if line.official is not None)]
    set_zones(touched)
    if campaign is not None:
        in_order = {official.id: official for official in everyone}
        done.seated = operations.seat(campaign, list(in_order))
    elif any(official.wants_digest for official in touched):
        stop_where_reported()
    done.created = [official.slug for official in made]
    done.before = {
        "created": [official.id for official in made],
        "changed": changes,
        "seated": done.seated,
        "campaign": campaign.id if campaign else None,
    }
    return done


def _create(lines: list[Line]) -> list[Official]:
    made: list[Official] = []
    taken: set[str] = {line.entry.record.slug for line in lines}
    if "" in taken:
        taken |= set(db.session.scalars(sa.select(Official.slug)))
    for line in lines:
        record = line.entry.record
        if not record.slug:
            record = replace(record, slug=operations.free_slug(record.name, record.emails[0], taken))
            taken.add(record.slug)
        official = Official(slug=record.slug)
        begin(official, record)
        made.append(official)
    db.session.add_all(made)
    db.session.flush()
    return made


def _change(official: Official, line: Line) -> dict[str, Any]:
    """Change a stored official; what it was, and what it is now."""
    was = {"email": official.email, "known": [each.email for each in official.addresses]}
    changed = [each for each in describe(official, line.entry.record) if each.field not in ("email", "other_emails")]
    return {
        **was,
        "columns": {each.field: [each.before, each.after] for each in changed},
        "new_email": official.email,
    }
