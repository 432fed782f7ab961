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
from actionkit.campaigns.models import Campaign, Official, OfficialAddress, VersionCause
from actionkit.content.officials import Difference, OfficialRecord, describe, differences
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
    """Their slugs, as those of the created ones."""
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


def store(plan: Plan, campaign: Campaign | None, cause: VersionCause = VersionCause.SAVED) -> Stored:
    """Store every line of the plan, and have the campaign write to all of them."""
    done = Stored()
    known = {line.official.id: line for line in plan.lines if line.official is not None}
    made = _create([line.entry.record for line in plan.of(Effect.NEW)])
    changes: dict[str, Any] = {}
    for id_, line in known.items():
        if line.changes:
            changes[str(id_)] = _change(line)
            done.changed.append(line.entry.record.slug)
            done.new_addresses += _readdressed(line)
    db.session.flush()
    _hand_zones([*(id_ for id_, line in known.items() if line.changes), *_with_zone(made)])
    if campaign is not None:
        ids = {record.slug: id_ for id_, record in made.items()}
        in_order = [line.official.id if line.official else ids.get(line.entry.record.slug) for line in plan.lines]
        done.seated = operations.seat(campaign, [*(id_ for id_ in in_order if id_ is not None), *made], cause)
    elif any(line.entry.record.wants_digest for line in known.values()):
        stop_where_reported()
    done.created = [record.slug for record in made.values()]
    done.before = {
        "created": list(made),
        "changed": changes,
        "seated": done.seated,
        "campaign": campaign.id if campaign else None,
    }
    return done


def _create(records: list[OfficialRecord]) -> dict[int, OfficialRecord]:
    """New officials, in one statement for all; by their ids, with the slugs that they have now."""
    taken = {record.slug for record in records}
    if "" in taken:
        taken |= set(db.session.scalars(sa.select(Official.slug)))
    by_slug: dict[str, OfficialRecord] = {}
    for given in records:
        slug = given.slug or operations.free_slug(given.name, given.emails[0], taken)
        taken.add(slug)
        by_slug[slug] = replace(given, slug=slug)
    if not by_slug:
        return {}
    rows = [{**_EMPTY, **record.columns, "slug": slug, "email": record.emails[0]} for slug, record in by_slug.items()]
    stored = db.session.execute(sa.insert(Official).returning(Official.id, Official.slug), rows).all()
    made = {row.id: by_slug[row.slug] for row in sorted(stored, key=lambda row: int(row.id))}
    mailboxes = [
        {"official_id": id_, "email": email, "position": position}
        for id_, record in made.items()
        for position, email in enumerate(record.emails, 1)
    ]
    db.session.execute(sa.insert(OfficialAddress), mailboxes)
    return made


_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("salutation", "office", "organisation", "country", "postal_address", "timezone"), ""),
    "wants_digest": False,
    "has_letters_to_move": False,
}
"""What a file does not say of a new official."""


def _with_zone(made: dict[int, OfficialRecord]) -> list[int]:
    return [id_ for id_, record in made.items() if record.timezone]


def _hand_zones(official_ids: list[int]) -> None:
    for some in _pieces(official_ids):
        set_zones(db.session.scalars(sa.select(Official).where(Official.id.in_(some))))


def _readdressed(line: Line) -> list[dict[str, str]]:
    """The domains of an official's old and new address, for the audit trail."""
    return [
        {
            "official": line.entry.record.slug or (line.official.slug if line.official else ""),
            "old": addresses.domain(str(each.before)),
            "new": addresses.domain(str(each.after)),
        }
        for each in line.changes
        if each.field == "email"
    ]


def _change(line: Line) -> dict[str, Any]:
    """Change a stored official; what it was, and what it is now."""
    official = line.official
    assert official is not None
    was = {"email": official.email, "known": [each.email for each in official.addresses]}
    changed = [each for each in describe(official, line.entry.record) if each.field not in ("email", "other_emails")]
    return {
        **was,
        "columns": {each.field: [each.before, each.after] for each in changed},
        "new_email": official.email,
    }
