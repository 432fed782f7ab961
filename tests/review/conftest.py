"""A site with the test content and as many signatures as a test wants, on each kind of database."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from flask import Flask

from actionkit import db, jobs
from actionkit.addresses import canonical
from actionkit.signing import consent
from actionkit.signing.models import Purpose, Signature, SignatureState, Submission
from tests.signing.site import ITALY, Site
from tests.structure.conftest import sign_in

__all__ = ["sign_in"]

NETWORK = "a1b2c3" + "0" * 26


@dataclass
class ReviewSite(Site):
    """A site whose worker can be told to look, and where a crowd signs in one go."""

    _number: itertools.count[int] = field(default_factory=itertools.count)

    def crowd(
        self,
        count: int = 0,
        domain: str = "example.org",
        *,
        addresses: tuple[str, ...] = (),
        slug: str = ITALY,
        network: str = "",
        hours_ago: int = 0,
        state: SignatureState = SignatureState.PENDING,
    ) -> None:
        """Signatures as they are stored, a minute old (or in the middle of an earlier hour)."""
        at = hour(hours_ago) + dt.timedelta(minutes=30) if hours_ago else minute_ago()
        addresses = addresses or tuple(f"p{next(self._number)}@{domain}" for _ in range(count))
        campaign_id = self.campaign(slug).id
        with self.app.app_context():
            wording = consent.wording_id(Purpose.SIGN, "agreed")
            rows = [
                {
                    "public_id": db.new_public_id(),
                    "campaign_id": campaign_id,
                    "canonical_email": canonical(address),
                    "state": state.value,
                    "signed_at": at,
                }
                for address in addresses
            ]
            added = sa.insert(Signature).returning(Signature.id, sort_by_parameter_order=True)
            ids = db.session.scalars(added, rows).all()
            db.session.execute(
                sa.insert(Submission),
                [
                    {
                        "signature_id": id_,
                        "name": f"Person {id_}",
                        "email": address,
                        "country": "IT",
                        "language": "en",
                        "network": network,
                        "created_at": at,
                        "consent_wording_id": wording,
                    }
                    for id_, address in zip(ids, addresses, strict=True)
                ],
            )
            db.session.commit()

    def grow_old(self) -> None:
        """A minute passes for what was signed through the form: the job leaves alone what is too young."""
        self.change(Signature, Signature.signed_at > minute_ago(), signed_at=minute_ago())
        self.change(Submission, Submission.created_at > minute_ago(), created_at=minute_ago())

    def look(self) -> None:
        """What the worker does every half minute."""
        with self.app.app_context():
            jobs.watch_signing(self.app.extensions["delivery_worker"])


def hour(ago: int = 0) -> dt.datetime:
    return db.now().replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=ago)


def minute_ago() -> dt.datetime:
    return db.now() - dt.timedelta(minutes=1)


@pytest.fixture
def site(app: Flask) -> ReviewSite:
    return ReviewSite(app)
