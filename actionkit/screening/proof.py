"""Proof of work, by the protocol of ALTCHA: a browser does some seconds of arithmetic to sign.

Staff switch it on for a campaign under attack. Whoever signs by hand does not notice; whoever sends
thousands has to pay for each. There is no third party in it: the challenge is made and checked here
and solved by a script of ours (static/proof.js, with the worker that ALTCHA publishes). See
docs/decisions/0011-screening.md.
"""

from __future__ import annotations

import datetime as dt
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import altcha
import sqlalchemy as sa
from flask import current_app

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.prepared import Prepared
from actionkit.screening.models import UsedProof

FIELD = "altcha"
"""The form's field, by its name in the protocol."""

ALGORITHM = "PBKDF2/SHA-256"
"""Which every browser has; a harder one would have to be compiled in the page, which our policy forbids."""
COST = 2_000
"""Rounds of one try."""
TRIES = range(1_000, 2_001)
"""How many a browser has to make; which number it is, only we know. Half a second to five."""
VALID_FOR = dt.timedelta(minutes=10)
KEPT_LONGER = dt.timedelta(hours=1)
"""Used ones are remembered a while after they ran out, since clocks differ."""

LONGEST = 2_000
"""Characters of what a browser hands in; a genuine one has about 800."""


@dataclass(frozen=True)
class _Secrets:
    """Keys of this purpose alone, made from one of the installation's secret keys."""

    challenge: bytes
    solution: bytes

    @classmethod
    def of(cls, secret_key: str) -> _Secrets:
        return cls(*(hmac.digest(secret_key.encode(), f"actionkit.proof.{name}".encode(), "sha256") for name in "cs"))


def _keys() -> Iterator[_Secrets]:
    """The present one first, then the fallbacks: a page that was open while the key changed still works."""
    config = current_app.config
    for key in (config["SECRET_KEY"], *config["SECRET_KEY_FALLBACKS"]):
        yield _Secrets.of(key)


def make_challenge(campaign: Campaign) -> dict[str, Any]:
    """A task for one signature on this campaign, as the protocol's JSON."""
    ours = next(_keys())
    challenge = altcha.create_challenge(
        ALGORITHM,
        COST,
        counter=secrets.choice(TRIES),
        expires_at=db.now() + VALID_FOR,
        data={"campaign": campaign.slug},
        hmac_secret=ours.challenge,
        hmac_key_secret=ours.solution,
    )
    return challenge.to_dict()


@dataclass(frozen=True)
class Proof:
    """A solved challenge of ours, for this campaign and still valid; whether it was used is not known yet."""

    digest: str
    expires_at: dt.datetime


def read(campaign: Campaign, text: str) -> Proof | None:
    """What a browser handed in, or None where it proves nothing. Asks no database."""
    if not text or len(text) > LONGEST or not text.isascii():
        return None
    try:
        payload = altcha.Payload.from_base64(text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not any(
        altcha.verify_solution(payload, key.challenge, hmac_key_secret=key.solution).verified for key in _keys()
    ):
        return None
    # All of it is as we signed it.
    signed = payload.challenge
    if signed.parameters.data != {"campaign": campaign.slug} or not signed.signature:
        return None
    return Proof(signed.signature, dt.datetime.fromtimestamp(signed.parameters.expires_at or 0, dt.UTC))


def use(proof: Proof) -> bool:
    """Take the proof, in the transaction at hand; False where it was used before."""
    return _use.row(digest=proof.digest, expires_at=proof.expires_at) is not None


_use = Prepared(
    lambda insert: insert(UsedProof.__table__).on_conflict_do_nothing().returning(UsedProof.__table__.c.digest)
)


def forget_expired() -> None:
    """Delete used proofs that could not be used again anyway."""
    db.session.execute(sa.delete(UsedProof).where(UsedProof.expires_at < db.now() - KEPT_LONGER))
