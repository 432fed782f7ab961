"""What was sent to an official and what came back: bounded counts along indexes, campaign by campaign."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from actionkit import db
from actionkit.campaigns.models import Campaign, Official
from actionkit.delivery.models import Outgoing, State
from actionkit.letters.models import Report
from actionkit.letters.operations import group_key, recipient_key
from actionkit.replies.models import LetterAnswer

MOST_COUNTED = 10_000
"""More in one state than these are not counted for a page."""
_IS_PACED = Outgoing.lane == sa.literal_column("'paced'")
"""No parameter: only so do the databases see that the partial index will do."""


@dataclass
class Correspondence:
    """Between one official and one campaign."""

    campaign: Campaign
    by_state: dict[str, int] = field(default_factory=dict)
    """Letters, and reports in place of them; one more than `MOST_COUNTED` at most."""
    reports: int = 0
    answers: int = 0
    """To letters, which came through us."""


def of(official: Official, campaigns: Collection[Campaign]) -> list[Correspondence]:
    """With each of these campaigns."""
    if not campaigns:
        return []
    ids = [campaign.id for campaign in campaigns]
    by_state = _letters(official, ids)
    reports = _counts(Report.campaign_id, Report.official_id == official.id, Report.campaign_id.in_(ids))
    answers = _counts(
        LetterAnswer.campaign_id, LetterAnswer.campaign_id.in_(ids), LetterAnswer.official_id == official.id
    )
    return [
        Correspondence(each, by_state[each.id], reports.get(each.id, 0), answers.get(each.id, 0)) for each in campaigns
    ]


def _letters(official: Official, campaign_ids: Iterable[int]) -> defaultdict[int, dict[str, int]]:
    """One query; each of its parts reads a stretch of the index of recipient, group and state, and no further."""
    key = recipient_key(official.id)
    parts = []
    for id_ in campaign_ids:
        for state in State:
            some = (
                sa.select(sa.literal(1))
                .where(
                    Outgoing.recipient_key == key,
                    Outgoing.group_key == group_key(id_),
                    Outgoing.state == state.value,
                    _IS_PACED,
                )
                .limit(MOST_COUNTED + 1)
                .subquery()
            )
            counted = sa.select(sa.func.count()).select_from(some).scalar_subquery()
            parts.append(
                sa.select(sa.literal(id_).label("campaign"), sa.literal(state.value).label("state"), counted.label("n"))
            )
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for start in range(0, len(parts), _AT_ONCE):
        for row in db.session.execute(sa.union_all(*parts[start : start + _AT_ONCE])):
            if row.n:
                found[row.campaign][row.state] = row.n
    return found


_AT_ONCE = 400
"""SQLite takes five hundred parts of a query at most."""


def _counts(column: InstrumentedAttribute[int], *which: sa.ColumnElement[bool]) -> dict[int, int]:
    counted = sa.select(column.label("campaign"), sa.func.count().label("n")).where(*which).group_by(column)
    return {row.campaign: row.n for row in db.session.execute(counted)}
