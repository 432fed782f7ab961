"""Erasing again whoever came back with a restored database, and keeping the journal on every machine.

A line that the file has and the database has not is work: the database is older than the erasure,
or the process died between the two. A line that the database has and the file has not was written
on another machine, and is copied. So each machine that runs a worker holds the whole journal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.screening.models import RuleKind, ScreeningRule
from actionkit.signing.models import MailAllowance, MailStop, Signature
from actionkit.upkeep import journal
from actionkit.upkeep.journal import Line
from actionkit.upkeep.models import Erasure

PLACES = (
    sa.select(Signature.canonical_email),
    sa.select(MailStop.canonical_email),
    sa.select(MailAllowance.canonical_email),
    sa.select(ScreeningRule.pattern).where(ScreeningRule.kind == RuleKind.ADDRESS),
)
"""Wherever an address stands, in its canonical form."""


@dataclass(frozen=True)
class Missing:
    """Lines of the file that the database does not know.

    `readable` ones are under a key of ours; the others only work once their key is back among the
    fallbacks.
    """

    readable: frozenset[Line]
    unreadable: frozenset[Line]


def missing() -> Missing:
    lines = journal.read()
    if lines:
        lines -= _known()
    ours = {key.id for key in journal.known_keys()}
    readable = frozenset(line for line in lines if line.key_id in ours)
    return Missing(readable, frozenset(lines) - readable)


def _known() -> set[Line]:
    return {Line(*row) for row in db.session.execute(sa.select(Erasure.erased_at, Erasure.key_id, Erasure.digest))}


def who_is_back(lines: Collection[Line]) -> Iterator[tuple[str, Line]]:
    """(canonical address, its latest line) of everyone in the database whom these lines name. Holds up nobody.

    Reads every address there is: some seconds for a million signatures.
    """
    latest: dict[str, dict[str, Line]] = defaultdict(dict)
    for line in sorted(lines):
        latest[line.key_id][line.digest] = line
    keys = [key for key in journal.known_keys() if key.id in latest]
    found: dict[str, Line] = {}
    with db.snapshot() as moment:
        for place in PLACES:
            for address in moment.execution_options(yield_per=5_000).execute(place).scalars():
                for key in keys:
                    known = latest[key.id].get(key.digest(address))
                    if known is not None:
                        found[address] = max(known, found.get(address, known))
    yield from found.items()


def everywhere() -> set[Line]:
    """All lines that this machine's file or the database has."""
    return journal.read() | _known()


def fetch() -> int:
    """Copy into this machine's file what was erased on others; how many lines."""
    lines = _known() - journal.read()
    if lines:
        journal.append(lines)
    return len(lines)
