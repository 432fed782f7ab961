"""How many signatures may come from one network: above a limit they are held, not refused.

Three windows over the same counts: a minute (a flood, which is told to slow down), a burst
(`SIGN_LIMIT`) and a day (`SIGN_LIMIT_SUSTAINED`). Counts are kept under the network's name of the
day, see `networks`.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from flask import current_app
from werkzeug.exceptions import TooManyRequests

from actionkit import db
from actionkit.prepared import Prepared
from actionkit.screening import networks
from actionkit.screening.models import SignHit
from actionkit.screening.reasons import MANY_AT_ONCE, MANY_IN_A_DAY
from config import Config, Limit

SLOT_SECONDS = 10
FLOOD = Limit(60, 60)
"""Above this it is no rally behind one router, and the client is told to slow down."""


def held_because(campaign_id: int, network: str) -> str:
    """Count a signature that is about to be stored; why it must be held, or "" if it need not be.

    Raises `TooManyRequests` for a flood. One statement, in the transaction at hand.
    """
    config: Config = current_app.config["ACTIONKIT"]
    burst, sustained = config.sign_limit, config.sign_limit_sustained
    if burst is None:
        return ""
    slot = int(db.now().timestamp()) // SLOT_SECONDS
    counted = _count.row(
        campaign_id=campaign_id,
        network=network,
        slot=slot,
        flood=slot - _slots(FLOOD),
        burst=slot - _slots(burst),
        sustained=slot - _slots(sustained) if sustained else slot,
        most=1 + max(limit.count for limit in (FLOOD, burst, sustained) if limit),
    )
    assert counted is not None
    now, flood, recent, lasting = counted
    if now + flood > FLOOD.count:
        raise TooManyRequests
    if now + recent > burst.count:
        return MANY_AT_ONCE
    if sustained and now + lasting > sustained.count:
        return MANY_IN_A_DAY
    return ""


def _slots(limit: Limit) -> int:
    return -(-limit.seconds // SLOT_SECONDS)


def _earlier_hits(since: str) -> str:
    """The hits of the slots after `:since` and before this one.

    Every row has one hit at least, so of more rows than the highest limit none need be read: a
    network that has been signing all day costs no more than one that has reached its limit.
    """
    return (
        "(SELECT coalesce(sum(hits), 0) FROM (SELECT hits FROM sign_hits "  # noqa: S608 - no value of anybody's
        f"WHERE campaign_id = :campaign_id AND network = :network AND slot > :{since} AND slot < :slot "
        "ORDER BY slot DESC LIMIT :most) AS newest)"
    )


_count = Prepared(
    lambda _insert: sa.text(
        "INSERT INTO sign_hits (campaign_id, network, slot, hits) VALUES (:campaign_id, :network, :slot, 1) "  # noqa: S608
        "ON CONFLICT (campaign_id, network, slot) DO UPDATE SET hits = sign_hits.hits + 1 "
        f"RETURNING hits, {', '.join(map(_earlier_hits, ('flood', 'burst', 'sustained')))}"
    )
)


def forget_old() -> None:
    """Destroy keys after a week, and counts that no limit looks at any more."""
    networks.forget_keys()
    oldest = int((db.now() - dt.timedelta(days=1)).timestamp()) // SLOT_SECONDS
    db.session.execute(sa.delete(SignHit).where(SignHit.slot < oldest))
