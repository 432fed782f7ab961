"""How many signatures may come from one network: above the limit they are held, not refused.

A client's address is never stored. What is stored is an HMAC of it under a key that lives for
the day and is destroyed after seven, so that a week later nobody can tell who it was.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import ipaddress
import secrets

import sqlalchemy as sa
from flask import current_app, request
from werkzeug.exceptions import TooManyRequests

from actionkit import db
from actionkit.screening.models import NetworkKey, SignHit
from config import Limit

SLOT_SECONDS = 10
FLOOD = Limit(60, 60)
"""Above this it is no rally behind one router, and the client is told to slow down."""
KEPT_FOR = dt.timedelta(days=7)

HELD_FOR_LIMIT = "many signatures from one network"


def held_because(campaign_id: int, network: str) -> str:
    """Count a signature that is about to be stored; why it must be held, or "" if it need not be.

    Raises `TooManyRequests` for a flood. Counts in the transaction at hand.
    """
    limit: Limit | None = current_app.config["ACTIONKIT"].sign_limit
    if limit is None:
        return ""
    moment = db.now()
    slot = int(moment.timestamp()) // SLOT_SECONDS
    place = {"campaign_id": campaign_id, "network": network, "slot": slot}
    connection = db.session.connection()
    connection.execute(_count_hit(), {**place, "hits": 1})
    hits = connection.execute(
        _recent_hits, {**place, "since": slot - _slots(limit), "flood_since": slot - _slots(FLOOD)}
    ).one()
    if hits.flood > FLOOD.count:
        raise TooManyRequests
    return HELD_FOR_LIMIT if hits.limit > limit.count else ""


def _slots(limit: Limit) -> int:
    return -(-limit.seconds // SLOT_SECONDS)


_count_hit = db.prepared(
    lambda insert: insert(SignHit.__table__).on_conflict_do_update(
        index_elements=["campaign_id", "network", "slot"], set_={"hits": SignHit.hits + 1}
    )
)
_recent_hits = sa.select(
    sa.func.sum(sa.case((SignHit.slot > sa.bindparam("since"), SignHit.hits), else_=0)).label("limit"),
    sa.func.sum(sa.case((SignHit.slot > sa.bindparam("flood_since"), SignHit.hits), else_=0)).label("flood"),
).where(
    SignHit.campaign_id == sa.bindparam("campaign_id"),
    SignHit.network == sa.bindparam("network"),
    sa.or_(SignHit.slot > sa.bindparam("since"), SignHit.slot > sa.bindparam("flood_since")),
    SignHit.slot <= sa.bindparam("slot"),
)


def network_of_client() -> str:
    """The client's network under the key of the day: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        address = ipaddress.IPv4Address(0)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or ipaddress.IPv6Network((address, 64), strict=False).network_address
    return hmac.new(_secret_of(db.now().date()).encode(), address.packed, hashlib.sha256).hexdigest()[:32]


def _secret_of(day: dt.date) -> str:
    known = sa.select(NetworkKey.secret).where(NetworkKey.day == day)
    if (secret := db.session.scalar(known)) is None:
        made = db.insert(NetworkKey).values(day=day, secret=secrets.token_hex(32))
        db.session.execute(made.on_conflict_do_nothing())
        secret = db.session.execute(known).scalar_one()
    return secret


def forget_old() -> None:
    """Destroy keys after a week, and counts that no limit looks at any more."""
    moment = db.now()
    db.session.execute(sa.delete(NetworkKey).where(NetworkKey.day < (moment - KEPT_FOR).date()))
    oldest = int((moment - dt.timedelta(days=1)).timestamp()) // SLOT_SECONDS
    db.session.execute(sa.delete(SignHit).where(SignHit.slot < oldest))
