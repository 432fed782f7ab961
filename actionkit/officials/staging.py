"""Files that wait for their owner's decision: kept in the database for a day, hers alone. Nothing here commits.

In the database and not in a folder, so that any web process finds them, a backup or an erasure knows
no further place, and they end with their row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext
from sqlalchemy.orm import defer
from werkzeug.exceptions import NotFound

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.errors import ActionError
from actionkit.officials import importing, undoing
from actionkit.officials.importing import Plan, Stored
from actionkit.officials.models import DECIDE_WITHIN, UNDO_WITHIN, ImportState, OfficialImport
from actionkit.officials.reading import Choices
from actionkit.officials.undoing import Undone
from actionkit.replies.contents import clean_line

MOST_STAGED = 5
"""Files of one member that wait at the same time; the oldest ones go."""


class AlreadyDecided(ActionError):
    """Somebody pressed twice, or in two windows: the import is no longer as the page showed it."""

    code = 409


class HasFaults(ActionError):
    """It was to be all or nothing."""


class AlreadyUsed(ActionError):
    """Mail has left because of the import, so it cannot be taken back."""

    code = 409


def stage(member_id: int, file_name: str, raw: bytes, choices: Choices) -> OfficialImport:
    """Keep a file until its owner has looked at the preview."""
    staged = OfficialImport(
        staff_member_id=member_id,
        file_name=clean_line(file_name.replace("\\", "/").rpartition("/")[2])[:100],
        raw=raw,
        choices=choices.as_json(),
    )
    db.session.add(staged)
    db.session.flush()
    waiting = sa.select(OfficialImport.id).where(
        OfficialImport.staff_member_id == member_id, OfficialImport.state == ImportState.STAGED
    )
    oldest = waiting.order_by(OfficialImport.id.desc()).offset(MOST_STAGED)
    db.rows_changed(sa.delete(OfficialImport).where(OfficialImport.id.in_(list(db.session.scalars(oldest)))))
    return staged


def find(member_id: int, public_id: str) -> OfficialImport:
    """One of her own that is still kept. Raises `NotFound`, for another's too."""
    found = db.session.scalar(
        sa.select(OfficialImport).where(
            OfficialImport.public_id == public_id, OfficialImport.staff_member_id == member_id, _is_kept()
        )
    )
    if found is None:
        raise NotFound
    return found


def mine(member_id: int) -> Sequence[OfficialImport]:
    """All of hers, the latest first, without their files."""
    query = sa.select(OfficialImport).where(OfficialImport.staff_member_id == member_id, _is_kept())
    return db.session.scalars(
        query.options(defer(OfficialImport.raw), defer(OfficialImport.before))
        .order_by(OfficialImport.id.desc())
        .limit(20)
    ).all()


def _is_kept() -> sa.ColumnElement[bool]:
    moment = db.now()
    return sa.or_(
        sa.and_(OfficialImport.state == ImportState.STAGED, OfficialImport.created_at > moment - DECIDE_WITHIN),
        sa.and_(OfficialImport.state != ImportState.STAGED, OfficialImport.created_at > moment - UNDO_WITHIN),
    )


def choose(staged: OfficialImport, choices: Choices) -> bool:
    """Have it read like this; False where it is stored already."""
    return _move(staged, ImportState.STAGED, choices=choices.as_json())


def store(staged: OfficialImport, plan: Plan, campaign: Campaign | None, *, only_good: bool) -> Stored:
    """Store it, once: all of it, or the good ones. Raises `HasFaults`, `AlreadyDecided`."""
    if plan.faults and not only_good:
        raise HasFaults(gettext("Nothing was stored, since there are faults. You can take the good ones only."))
    if not _move(staged, ImportState.STAGED, state=ImportState.STORED, stored_at=db.now(), raw=None):
        raise AlreadyDecided(gettext("This file has been stored already."))
    done = importing.store(plan, campaign)
    numbers = {**plan.numbers, "seated": len(done.seated), "without_address": len(plan.read.without_address)}
    _move(staged, ImportState.STORED, report=numbers, before=done.before)
    return done


def may_be_undone(stored: OfficialImport) -> bool:
    return stored.state == ImportState.STORED and not _is_used(stored)


def _is_used(stored: OfficialImport) -> bool:
    assert stored.stored_at is not None
    return undoing.has_been_used(stored.before, stored.stored_at)


def undo(stored: OfficialImport) -> Undone:
    """Take it back, once. Raises `AlreadyUsed`, `AlreadyDecided`."""
    before: dict[str, Any] = stored.before
    is_used = stored.state == ImportState.STORED and _is_used(stored)
    if is_used:
        raise AlreadyUsed(gettext("Letters have left since, so this cannot be taken back any more."))
    if not _move(stored, ImportState.STORED, state=ImportState.UNDONE, before={}):
        raise AlreadyDecided(gettext("This was taken back already."))
    return undoing.undo(before)


def discard(staged: OfficialImport) -> bool:
    """Forget a file that is not to be stored."""
    return bool(
        db.rows_changed(
            sa.delete(OfficialImport).where(OfficialImport.id == staged.id, OfficialImport.state == ImportState.STAGED)
        )
    )


def _move(found: OfficialImport, was: ImportState, **values: object) -> bool:
    changed = db.rows_changed(
        sa.update(OfficialImport).where(OfficialImport.id == found.id, OfficialImport.state == was).values(values)
    )
    db.session.expire(found)
    return bool(changed)


def forget_old() -> int:
    """Delete what nobody decided about in a day, and what can no longer be taken back; how many."""
    return db.rows_changed(sa.delete(OfficialImport).where(sa.not_(_is_kept())))
