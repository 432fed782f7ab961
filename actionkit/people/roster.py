"""Everybody with an account, and how it stands with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.delivery.models import Outgoing, State
from actionkit.staff import invitations
from actionkit.staff.models import SignInLink, StaffMember, StaffRole

_NOT_ARRIVED = (State.FAILED, State.FROZEN, State.HELD)


@dataclass(frozen=True)
class Role:
    """A grant, with its campaign as (slug, title); None = all campaigns."""

    grant_id: int
    role: StaffRole
    campaign: tuple[str, str] | None


@dataclass(frozen=True)
class Person:
    """A member as the list shows her. `invited` is her open invitation, if she has not come yet."""

    member: StaffMember
    roles: list[Role]
    invited: SignInLink | None
    has_run_out: bool
    mail_failed: bool


def everybody() -> list[Person]:
    """Those with an open account first, each part by address."""
    members = db.session.scalars(
        sa.select(StaffMember).order_by(StaffMember.deactivated_at.is_not(None), StaffMember.email)
    ).all()
    return _people(members)


def one(member: StaffMember) -> Person:
    return _people([member])[0]


def _people(members: Sequence[StaffMember]) -> list[Person]:
    invited = invitations.latest(member.id for member in members)
    failed = set(
        db.session.scalars(
            sa.select(Outgoing.subject_id).where(
                Outgoing.kind == invitations.INVITATION,
                Outgoing.subject_id.in_([link.id for link in invited.values()]),
                Outgoing.state.in_(_NOT_ARRIVED),
            )
        )
    )
    ids = {grant.campaign_id for member in members for grant in member.grants if grant.campaign_id is not None}
    campaigns = db.session.scalars(sa.select(Campaign).where(Campaign.id.in_(ids))).all()
    titles = {each.id: (each.slug, each.text_in(each.language).title) for each in campaigns}
    people = []
    for member in members:
        link = invited.get(member.id) if member.last_signed_in_at is None and member.active else None
        roles = [
            Role(grant.id, StaffRole(grant.role), None if grant.campaign_id is None else titles[grant.campaign_id])
            for grant in member.grants
        ]
        has_run_out = link is not None and invitations.has_run_out(link)
        people.append(Person(member, roles, link, has_run_out, link is not None and link.id in failed))
    return people
