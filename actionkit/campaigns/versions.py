"""Versions: what a campaign, a program or another page said at each moment. Only ever added."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext
from sqlalchemy.orm import defer

from actionkit import db
from actionkit.campaigns.models import Version, VersionCause
from actionkit.errors import ActionError
from actionkit.staff import current

Content = dict[str, Any]
"""JSON, the same for the same words, whatever way they came."""


class EditedMeanwhile(ActionError):
    """Somebody else stored a change at the same moment."""

    code = 409


def latest(subject: str) -> Version | None:
    return db.session.scalar(
        sa.select(Version).where(Version.subject == subject).order_by(Version.number.desc()).limit(1)
    )


def find(subject: str, number: int) -> Version | None:
    return db.session.scalar(sa.select(Version).where(Version.subject == subject, Version.number == number))


def all_of(subject: str, most: int = 500) -> Sequence[Version]:
    """Its versions without what they say, the newest first."""
    query = sa.select(Version).where(Version.subject == subject).options(defer(Version.content, raiseload=True))
    return db.session.scalars(query.order_by(Version.number.desc()).limit(most)).all()


def record(
    subject: str, content: Content, cause: VersionCause, *, restored: int | None = None, is_new: bool = False
) -> Version:
    """Add a version by the current member, unless `content` is what the latest one says; the version there is then.

    With `is_new` it is added all the same. Raises `EditedMeanwhile` where another takes its number at
    the same moment.
    """
    before = latest(subject)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    if before is not None and before.content_hash == digest and not is_new:
        return before
    added = db.insert(Version).values(
        subject=subject,
        number=before.number + 1 if before else 1,
        cause=str(cause),
        restored_number=restored,
        made_at=db.now(),
        staff_member_id=current.member_id(),
        content=content,
        content_hash=digest,
    )
    version_id = db.session.scalar(added.on_conflict_do_nothing().returning(Version.id))
    if version_id is None:
        raise EditedMeanwhile(gettext("Somebody else changed this at the same moment. Please look at it again."))
    return db.session.get_one(Version, version_id)
