"""Telling staff to look at a campaign: a row that stays until it is seen, and one mail.

Nothing here takes a signature out: an alert asks a person to look.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from enum import StrEnum

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import outbox
from actionkit.delivery.models import Outgoing
from actionkit.review.models import StaffAlert, TrendKind
from actionkit.staff.models import Grant, StaffMember
from actionkit.staff.rights import RIGHTS, Right

STAFF_ALERT = "staff-alert"
"""The kind of these rows in the ledger; their subject is the alert."""

BETWEEN_MAILS = dt.timedelta(hours=6)
"""Of one kind, about one campaign. The alerts themselves are shown as they come."""
MOST_SHOWN = 50


class AlertKind(StrEnum):
    NETWORK = TrendKind.NETWORK.value
    DOMAIN = TrendKind.DOMAIN.value
    REFUSED = "refused"
    """Owners of addresses said that they did not sign; its value is empty."""
    REJECTED = "rejected"
    """The mail server refused letters in a row, so those of the campaign are paused; its value is empty."""


def tell(campaign_id: int, kind: str, value: str, hour: dt.datetime, signatures: int) -> bool:
    """Add an alert and, unless one of its kind has just left, a mail to each who can act on it.

    False where it is there already: its number stays what the mail says. The caller sees to it that
    no other job tells at the same moment.
    """
    was_told = _was_told(campaign_id, kind)
    row = {
        "campaign_id": campaign_id,
        "kind": kind,
        "value": value,
        "hour": hour,
        "signatures": signatures,
        "created_at": db.now(),
    }
    alert_id = db.session.execute(
        db.insert(StaffAlert).values(row).on_conflict_do_nothing().returning(StaffAlert.id)
    ).scalar()
    if alert_id is None:
        return False
    if not was_told:
        outbox.put(STAFF_ALERT, alert_id, [f"staff:{id_}" for id_ in who_is_told(campaign_id)])
    return True


def _was_told(campaign_id: int, kind: str) -> bool:
    told = (
        sa.select(Outgoing.id)
        .where(Outgoing.kind == STAFF_ALERT, Outgoing.subject_id == StaffAlert.id)
        .where(Outgoing.created_at > db.now() - BETWEEN_MAILS)
        .exists()
    )
    recent = sa.select(StaffAlert.id).where(
        StaffAlert.campaign_id == campaign_id,
        StaffAlert.kind == kind,
        StaffAlert.created_at > db.now() - BETWEEN_MAILS,
        told,
    )
    return db.session.scalar(recent.limit(1)) is not None


def who_is_told(campaign_id: int) -> list[int]:
    """Active members who may act on the campaign or edit it; admins are among them."""
    roles = [str(role) for role, rights in RIGHTS.items() if rights & {Right.ACT, Right.EDIT}]
    return list(
        db.session.scalars(
            sa.select(StaffMember.id)
            .where(StaffMember.deactivated_at.is_(None))
            .where(
                sa.select(Grant.id)
                .where(Grant.staff_member_id == StaffMember.id, Grant.role.in_(roles))
                .where(sa.or_(Grant.campaign_id.is_(None), Grant.campaign_id == campaign_id))
                .exists()
            )
            .order_by(StaffMember.id)
        )
    )


# ---------------------------------------------------------------- on the desk


def unseen(campaign_id: int) -> Sequence[StaffAlert]:
    """Alerts that nobody has marked as seen, the latest first."""
    return db.session.scalars(
        sa.select(StaffAlert)
        .where(StaffAlert.campaign_id == campaign_id, StaffAlert.seen_at.is_(None))
        .order_by(StaffAlert.id.desc())
        .limit(MOST_SHOWN)
    ).all()


def unseen_by_campaign(campaign_ids: Iterable[int]) -> dict[int, int]:
    """How many alerts nobody has marked as seen, for the campaigns that have any."""
    rows = db.session.execute(
        sa.select(StaffAlert.campaign_id, sa.func.count().label("n"))
        .where(StaffAlert.campaign_id.in_([*campaign_ids]), StaffAlert.seen_at.is_(None))
        .group_by(StaffAlert.campaign_id)
    )
    return {row.campaign_id: row.n for row in rows}


def mark_seen(campaign_id: int, *which: sa.ColumnElement[bool]) -> int:
    """Mark alerts of a campaign as seen; how many were not before."""
    return db.rows_changed(
        sa.update(StaffAlert)
        .where(StaffAlert.campaign_id == campaign_id, StaffAlert.seen_at.is_(None), *which)
        .values(seen_at=db.now())
    )
