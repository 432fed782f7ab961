"""An office's mail addresses: which one is in use, what is known against each, and a change from one to another.

Addresses here are normal ones, as `addresses.normalise` gives them. What refuses is known to
delivery for the office's key and not for an address, so a change of address writes down what was
known against the old one and begins anew. Nothing here commits.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Official, OfficialAddress
from actionkit.delivery import recipients
from actionkit.letters.operations import recipient_key

MOST_ADDRESSES = 10


@dataclass(frozen=True)
class Known:
    """One address of an office, with its health."""

    email: str
    is_in_use: bool
    refusals: int
    """One after another, of the address in use."""
    suspended_at: dt.datetime | None
    """It refused our letters, so nothing is sent to it: since then, or until it was changed."""
    reason: str
    """What the mail server said last, without addresses."""


def of(official: Official) -> list[Known]:
    """All that are known of an office, the one in use first."""
    health = recipients.health(recipient_key(official.id))
    reason = health.reason if health.refusals or health.suspended_at else ""
    used = Known(official.email, True, health.refusals, health.suspended_at, reason)
    others = (each for each in official.addresses if not _same(each.email, official.email))
    return [used, *(Known(each.email, False, 0, each.refused_at, each.refused_because) for each in others)]


def locked(official_id: int) -> None:
    """Have changes of one office's addresses come one after another, until the transaction ends."""
    db.session.execute(sa.select(Official.id).where(Official.id == official_id).with_for_update())


def use(official: Official, address: str) -> int | None:
    """Write to the office at this address from now on; how many letters are queued again.

    None where it was not suspended. The letters that wait were written to the office and not to
    the address, so they leave as they are.
    """
    key, before = recipient_key(official.id), official.email
    ordered = [each for each in official.addresses if not _same(each.email, address)]
    chosen = _row_of(official, address)
    is_another = not _same(before, address)
    if before and is_another:
        old = _row_of(official, before)
        if old is None:
            old = OfficialAddress(email=before)
            ordered.insert(0, old)
        health = recipients.health(key)
        if health.suspended_at:
            old.refused_at, old.refused_because = health.suspended_at, health.reason
    chosen = chosen or OfficialAddress(email=address)
    chosen.refused_at, chosen.refused_because = None, ""
    chosen.email = official.email = address
    _put_in_order(official, [chosen, *ordered])
    queued = recipients.resume(key)
    if is_another:
        recipients.accepted(key)  # refusals of another address do not count against this one
    return queued


def begin(official: Official, address: str) -> None:
    """Give a new office its address."""
    official.email = address
    official.addresses = [OfficialAddress(email=address, position=1)]


def add(official: Official, address: str) -> bool:
    """Keep a further address, as the last; False where it is known, or there are too many."""
    is_known = _same(official.email, address) or _row_of(official, address) is not None
    if is_known or len(official.addresses) >= MOST_ADDRESSES:
        return False
    _put_in_order(official, [*official.addresses, OfficialAddress(email=address)])
    return True


def remove(official: Official, address: str) -> bool:
    """Forget an address that is not in use; False where it is, or is none of the office's."""
    kept = [each for each in official.addresses if not _same(each.email, address)]
    if _same(official.email, address) or len(kept) == len(official.addresses):
        return False
    _put_in_order(official, kept)
    return True


def told(official: Official, address: str) -> int | None:
    """A file says that this is the office's address; how many letters are queued again, None where nothing changed.

    A new one is used from now on. One that is known keeps its place: staff may have gone on to another since,
    and a file that is loaded once more must not bring back an address that refused.
    """
    if _same(official.email, address) or _row_of(official, address) is not None:
        return None
    return use(official, address)


def _same(one: str | None, other: str) -> bool:
    """Whether two normal addresses are one mailbox, as far as any office of the world goes."""
    return (one or "").lower() == other.lower()


def _row_of(official: Official, address: str) -> OfficialAddress | None:
    return next((each for each in official.addresses if _same(each.email, address)), None)


def _put_in_order(official: Official, addresses: list[OfficialAddress]) -> None:
    for position, each in enumerate(addresses, 1):
        each.position = position
    official.addresses[:] = addresses


def domain(address: str) -> str:
    """What may stand in the audit trail of an address."""
    return address.rpartition("@")[2]
