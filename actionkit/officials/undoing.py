"""Taking back what an import has done, where nothing was sent because of it yet. Nothing here commits."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Official, OfficialAddress
from actionkit.delivery import outbox
from actionkit.delivery.models import Turn
from actionkit.letters import addresses, out_of_use
from actionkit.letters.operations import LETTER, group_key, recipient_key, set_zones
from actionkit.officials import operations

BECAUSE = "the import was taken back"


@dataclass(frozen=True)
class Undone:
    """How many officials are as they were, and how many could not go altogether."""

    deleted: int
    retired: int
    """Letters wait for them, so they stay, out of use."""
    restored: int


def has_been_used(before: dict[str, Any], stored_at: dt.datetime) -> bool:
    """Whether a mail left since then for one that the import created, seated or gave another address."""
    readdressed = [int(id_) for id_, change in before["changed"].items() if change["new_email"] != change["email"]]
    anywhere = [recipient_key(id_) for id_ in {*before["created"], *readdressed}]
    here = [recipient_key(id_) for id_ in before["seated"]]
    mine = Turn.group_key == group_key(before["campaign"] or 0)
    return any(
        db.session.scalar(
            sa.select(Turn.recipient_key)
            .where(Turn.recipient_key.in_(some), Turn.last_at >= stored_at, *which)
            .limit(1)
        )
        is not None
        for keys, which in ((anywhere, ()), (here, (mine,)))
        for some in (keys[start : start + operations.AT_ONCE] for start in range(0, len(keys), operations.AT_ONCE))
    )


def undo(before: dict[str, Any]) -> Undone:
    """Delete what was created, and put back what was changed and has not been changed since."""
    created = set(before["created"])
    if before["campaign"]:
        _unseat([id_ for id_ in before["seated"] if id_ not in created], before["campaign"])
    stay = operations.written_to(created)
    ids = list(created - stay)
    operations.unseat(ids)
    for start in range(0, len(ids), operations.AT_ONCE):
        some = ids[start : start + operations.AT_ONCE]
        for table, column in (
            (OfficialAddress, OfficialAddress.official_id),
            (Official, Official.id),
        ):
            db.rows_changed(sa.delete(table).where(column.in_(some)))
    retired = 0
    for id_ in stay:
        official = db.session.get(Official, id_)
        retired += official is not None and out_of_use.take_out(official)
    restored = 0
    for key, change in before["changed"].items():
        official = db.session.get(Official, int(key))
        restored += official is not None and _restore(official, change)
    db.session.flush()
    return Undone(len(ids), retired, restored)


def _unseat(official_ids: list[int], campaign_id: int) -> None:
    for id_ in official_ids:
        outbox.cancel_to(LETTER, recipient_key(id_), group_key(campaign_id), BECAUSE)
    operations.unseat(official_ids, campaign_id)


def _restore(official: Official, change: dict[str, Any]) -> bool:
    """Only where it still is what the import made of it: what staff did since stays."""
    done = False
    for column, (was, became) in change["columns"].items():
        if getattr(official, column) == became:
            setattr(official, column, was)
            done = True
    if official.email == change["new_email"] != change["email"]:
        addresses.use(official, change["email"])
        done = True
    known = {email.lower() for email in change["known"]}
    for each in list(official.addresses):
        if each.email.lower() not in known and addresses.remove(official, each.email):
            done = True
    if "timezone" in change["columns"]:
        set_zones([official])
    return done
