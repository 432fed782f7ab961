"""What staff see of officials: a page of all of them, and what is known of one. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from actionkit import countries, db
from actionkit.campaigns.models import Campaign, CampaignOfficial, Official, OfficialAddress
from actionkit.delivery import recipients
from actionkit.delivery.models import RecipientHealth
from actionkit.delivery.recipients import Health
from actionkit.letters.operations import recipient_key
from actionkit.paging import Page, page_of

LONGEST_SEARCH = 200
_KEY = sa.literal("official:") + sa.cast(Official.id, sa.String)


@dataclass(frozen=True)
class Wanted:
    """What staff ask for; what is empty asks for nothing."""

    text: str = ""
    """Looked for as it is (no wildcards) in names, offices, organisations and addresses."""
    country: str = ""
    campaign: str = ""
    """The slug of one; of a campaign that is not hers she sees nobody by this."""
    state: str = ""
    """"suspended", "out" of use; "" = in use."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """What the query of a page's address asks for."""
        asked = {name: query.get(name, "").strip()[:LONGEST_SEARCH] for name in ("country", "campaign", "state")}
        return cls(text=query.get("q", "").strip()[:LONGEST_SEARCH], **asked)

    @property
    def query(self) -> dict[str, str]:
        """The query of links that ask for the same."""
        asked = {"q": self.text, "country": self.country, "campaign": self.campaign, "state": self.state}
        return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True)
class Row:
    """One official of the list."""

    official: Official
    health: Health
    campaigns: int
    """That write to it, whoever's they are."""


def officials(wanted: Wanted, campaign_ids: set[int] | None, *, number: int) -> Page[Row]:
    """A page of officials by name; `campaign_ids` are those that the member may see (None = all)."""
    query = sa.select(Official).where(*which(wanted, campaign_ids)).order_by(sa.func.lower(Official.name), Official.id)
    found = page_of(query, number)
    rows = [row[0] for row in found.rows]
    health = recipients.health_of([recipient_key(each.id) for each in rows])
    seated = db.session.execute(
        sa.select(CampaignOfficial.official_id, sa.func.count().label("n"))
        .where(CampaignOfficial.official_id.in_([each.id for each in rows]))
        .group_by(CampaignOfficial.official_id)
    )
    seats = {row.official_id: row.n for row in seated}
    shown = [Row(each, health.get(recipient_key(each.id), Health()), seats.get(each.id, 0)) for each in rows]
    return Page(shown, found.number, found.has_next)


def which(wanted: Wanted, campaign_ids: set[int] | None) -> list[sa.ColumnElement[bool]]:
    """The conditions of a search."""
    found: list[sa.ColumnElement[bool]] = [
        Official.retired_at.is_not(None) if wanted.state == "out" else Official.retired_at.is_(None)
    ]
    if wanted.state == "suspended":
        found.append(
            _KEY.in_(sa.select(RecipientHealth.recipient_key).where(RecipientHealth.suspended_at.is_not(None)))
        )
    if wanted.country:
        found.append(Official.country == wanted.country.upper())
    if wanted.campaign:
        seats = sa.select(CampaignOfficial.official_id).join(Campaign).where(Campaign.slug == wanted.campaign)
        if campaign_ids is not None:
            seats = seats.where(Campaign.id.in_(campaign_ids))
        found.append(Official.id.in_(seats))
    if wanted.text:
        columns = (Official.name, Official.office, Official.organisation, Official.email, Official.slug)
        others = sa.select(OfficialAddress.official_id).where(
            OfficialAddress.email.icontains(wanted.text, autoescape=True)
        )
        found.append(
            sa.or_(
                *(column.icontains(wanted.text, autoescape=True) for column in columns),
                Official.id.in_(others),
            )
        )
    return found


def countries_there(language: str) -> list[tuple[str, str]]:
    """(code, name) of the countries that officials belong to, ordered by name."""
    codes = db.session.scalars(sa.select(Official.country).where(Official.country != "").distinct())
    return sorted(((code, countries.name(code, language)) for code in codes), key=lambda pair: pair[1])


def is_empty() -> bool:
    """Whether there is no official at all."""
    return db.session.scalar(sa.select(Official.id).limit(1)) is None


def campaigns_of(official: Official) -> list[Campaign]:
    """All campaigns that it is seated on, whoever's they are."""
    return list(
        db.session.scalars(
            sa.select(Campaign)
            .join(CampaignOfficial)
            .where(CampaignOfficial.official_id == official.id)
            .order_by(Campaign.opens_on.desc(), Campaign.slug)
        )
    )


def others_at(official: Official) -> list[sa.Row[Any, Any]]:
    """(slug, name) of other officials that are written to at the same address: a letter would come twice."""
    return list(
        db.session.execute(
            sa.select(Official.slug, Official.name)
            .where(Official.email == official.email, Official.id != official.id, Official.retired_at.is_(None))
            .order_by(Official.name)
            .limit(10)
        )
    )
