"""About how many rows a file will have: from the stored counts, never by counting signatures."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.exports.wanted import ALL, Wanted
from actionkit.signing import counting
from actionkit.signing.models import CountBucket, Signature, SignatureState

MOST_COUNTED = 10_000
"""More signatures in another state than "confirmed" are not looked at, along their index."""


@dataclass(frozen=True)
class Estimate:
    """At most so many rows, or at least, where there were more than are looked at; exact where neither."""

    rows: int
    is_at_most: bool = False
    is_at_least: bool = False


def estimate(campaign_id: int, wanted: Wanted) -> Estimate:
    if wanted.state == SignatureState.CONFIRMED:
        return _confirmed(campaign_id, wanted)
    states = [each for each in SignatureState if each != SignatureState.CONFIRMED]
    found = [_few(campaign_id, each) for each in states if wanted.state in (ALL, each)]
    rows = sum(min(number, MOST_COUNTED) for number in found)
    if wanted.state == ALL:
        rows += counting.current(campaign_id).total
    has_more = any(number > MOST_COUNTED for number in found)
    is_filtered = wanted.is_filtered
    return Estimate(rows, is_at_most=is_filtered and not has_more, is_at_least=has_more and not is_filtered)


def _confirmed(campaign_id: int, wanted: Wanted) -> Estimate:
    if not wanted.country:
        return Estimate(counting.current(campaign_id).total, is_at_most=wanted.is_filtered)
    of_country = (CountBucket.campaign_id == campaign_id, CountBucket.country == wanted.country)
    rows = db.session.scalar(sa.select(sa.func.sum(CountBucket.signatures)).where(*of_country)) or 0
    is_narrower = wanted.language or wanted.signed_from or wanted.signed_before
    return Estimate(int(rows), is_at_most=bool(is_narrower))


def _few(campaign_id: int, state: SignatureState) -> int:
    some = (
        sa.select(sa.literal(1))
        .where(Signature.campaign_id == campaign_id, Signature.state == state)
        .limit(MOST_COUNTED + 1)
    )
    return db.session.execute(sa.select(sa.func.count()).select_from(some.subquery())).scalar_one()
