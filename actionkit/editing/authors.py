"""Who made a version, and how."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from flask_babel import lazy_gettext as _

from actionkit import db
from actionkit.campaigns.models import Version, VersionCause
from actionkit.staff.models import StaffMember

CAUSES = {
    VersionCause.SAVED: _("saved"),
    VersionCause.LOADED: _("loaded from files"),
    VersionCause.RESTORED: _("restored"),
    VersionCause.MOVED: _("opened, closed or paused"),
    VersionCause.DELETED: _("deleted"),
    VersionCause.FOUND: _("changed elsewhere"),
}


def of(versions: Iterable[Version]) -> dict[int, str]:
    """The addresses of the members who made them, by id."""
    ids = {version.staff_member_id for version in versions} - {None}
    rows = db.session.execute(sa.select(StaffMember.id, StaffMember.email).where(StaffMember.id.in_(ids)))
    return {row.id: row.email for row in rows}
