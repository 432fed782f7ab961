"""Where a request comes from: the client's address while it is looked at, an HMAC where it is stored.

The key of the HMAC lives for a day and is destroyed after seven, so that a week later nobody can
tell who it was. `ProxyFix` (see `security`) has replaced the address of the connection by the one
that the configured number of our own proxies vouches for; no other header has a part in it.
"""

from __future__ import annotations

import datetime as dt
import hmac
import secrets
import time
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Flask, current_app

from actionkit import db
from actionkit.screening.models import NetworkKey
from actionkit.security import IPAddress, network_of

KEPT_FOR = dt.timedelta(days=7)


@dataclass(frozen=True)
class _Known:
    """The secret of one day as this process remembers it, and when it must be forgotten."""

    day: dt.date
    secret: bytes
    forgotten_at: float


def name_of(address: IPAddress) -> str:
    """The client's network under the key of the day: an IPv4 address, or the /64 of an IPv6 one.

    The first one of a day writes, in the transaction at hand.
    """
    return hmac.digest(_secret(), network_of(address), "sha256").hex()[:32]


def _secret() -> bytes:
    day = db.now().date()
    known: _Known | None = current_app.extensions["network_secret"]
    if known is not None and known.day == day:
        return known.secret
    query = sa.select(NetworkKey.secret).where(NetworkKey.day == day)
    if (stored := db.detached(lambda session: session.scalar(query))) is not None:
        # Only what has been committed: a secret that is rolled back would tell one network apart from itself.
        end = dt.datetime.combine(day + KEPT_FOR + dt.timedelta(days=1), dt.time.min, dt.UTC).timestamp()
        current_app.extensions["network_secret"] = _Known(day, stored.encode(), end)
        return stored.encode()
    made = db.insert(NetworkKey).values(day=day, secret=secrets.token_hex(32))
    db.session.execute(made.on_conflict_do_nothing())
    return db.session.execute(query).scalar_one().encode()


# ---------------------------------------------------------------- forgetting


def forget_keys() -> None:
    """Destroy the keys of more than seven days ago."""
    db.session.execute(sa.delete(NetworkKey).where(NetworkKey.day < (db.now() - KEPT_FOR).date()))


def _forget_remembered() -> None:
    """Before each request: a process that had nothing to count for a week forgets its secret as well."""
    known: _Known | None = current_app.extensions["network_secret"]
    if known is not None and time.time() >= known.forgotten_at:
        current_app.extensions["network_secret"] = None


def init_app(app: Flask) -> None:
    app.extensions["network_secret"] = None
    app.before_request(_forget_remembered)
