"""Statements that the driver runs: the same rows and the same errors as SQLAlchemy's, and nobody's data in them."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
import sqlalchemy.exc
from flask import Flask

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.prepared import Prepared
from actionkit.signing.models import Signature, SignatureState

MOMENT = dt.datetime(2026, 3, 29, 1, 30, 15, 250_000, dt.UTC)

add = Prepared(lambda insert: insert(Signature.__table__).returning(Signature.__table__.c.id))
state_of = Prepared(
    lambda _insert: sa.select(Signature.state).where(
        Signature.canonical_email == sa.bindparam("address"), Signature.signed_at <= sa.bindparam("until")
    )
)


def _values(address: str) -> dict[str, object]:
    return {
        "public_id": db.new_public_id(),
        "campaign_id": db.session.scalars(sa.select(Campaign.id)).first(),
        "canonical_email": address,
        "state": SignatureState.PENDING.value,
        "signed_at": MOMENT,
        "is_name_public": True,
    }


@pytest.mark.usefixtures("context")
def test_what_goes_in_is_what_sqlalchemy_reads() -> None:
    added = add.row(**_values("ann@example.org"))
    db.session.commit()
    assert added is not None
    signature = db.session.get(Signature, added[0])
    assert signature is not None
    assert (signature.signed_at, signature.state) == (MOMENT, SignatureState.PENDING)
    assert (signature.is_name_public, signature.reminders, signature.state_reason) == (True, 0, "")
    assert state_of.row(address="ann@example.org", until=MOMENT) == ("pending",)
    assert state_of.row(address="ann@example.org", until=MOMENT - dt.timedelta(milliseconds=1)) is None


@pytest.mark.usefixtures("context")
def test_an_error_is_sqlalchemys_and_quotes_nobody() -> None:
    add.each([_values("ann@example.org"), _values("bea@example.org")])
    with pytest.raises(sqlalchemy.exc.IntegrityError) as raised:
        add.row(**_values("ann@example.org"))
    db.session.rollback()
    assert not raised.value.connection_invalidated
    assert raised.value.params is None
    assert state_of.row(address="bea@example.org", until=MOMENT) is None, "the transaction is gone as a whole"


@pytest.mark.one_database("postgresql")
def test_a_lost_connection_is_known_as_one(app: Flask) -> None:
    with app.app_context():
        own = db.session.scalar(sa.text("SELECT pg_backend_pid()"))
        with sa.create_engine(app.config["ACTIONKIT"].database_url).connect() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:own, 5000)"), {"own": own})
        with pytest.raises(sqlalchemy.exc.OperationalError) as raised:
            state_of.row(address="ann@example.org", until=MOMENT)
        assert raised.value.connection_invalidated
        db.session.rollback()
        assert state_of.row(address="ann@example.org", until=MOMENT) is None, "the next one gets another"
