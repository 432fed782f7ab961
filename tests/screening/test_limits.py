"""Many signatures from one network are held; a flood is slowed down; nobody's address is kept."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import ipaddress
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from actionkit import db, jobs, security
from actionkit.db import Base
from actionkit.screening import limits, networks
from actionkit.screening.limits import SLOT_SECONDS
from actionkit.screening.models import NetworkKey, SignHit
from actionkit.screening.reasons import MANY_AT_ONCE, MANY_IN_A_DAY
from actionkit.signing.models import MailAllowance, Signature
from config import Limit
from tests.conftest import MakeApp, make_config, sign_form
from tests.signing.site import ITALY, Site

ADDRESS = "192.0.2.77"

only_sqlite = pytest.mark.one_database


def post(site: Site, address: str = ADDRESS, slug: str = ITALY, **headers: str) -> int:
    answer = site.client.post(
        f"/campaigns/{slug}/sign", data=sign_form(), headers=headers, environ_base={"REMOTE_ADDR": address}
    )
    return answer.status_code


def states(site: Site) -> list[str]:
    return [signature.state for signature in site.stored(Signature)]


@pytest.fixture
def limited(make_app: MakeApp) -> Site:
    return Site(make_app(sign_limit="3 per 5 minutes"))


def test_above_the_limit_signatures_are_held_and_not_mailed(limited: Site) -> None:
    answers = [limited.sign() for _ in range(5)]
    assert len({(a.status_code, a.location, a.data) for a in answers}) == 1, "nobody sees that one is held"
    assert states(limited) == ["pending"] * 3 + ["held"] * 2
    assert [s.state_reason != "" for s in limited.stored(Signature)] == [False] * 3 + [True] * 2
    assert len(limited.confirmations()) == 3


def test_the_limit_is_one_of_each_campaign_and_network(limited: Site) -> None:
    for _ in range(3):
        post(limited)
    assert post(limited, slug="kenya-petition") == 303
    assert post(limited, address="192.0.2.78") == 303
    assert "held" not in states(limited)
    post(limited)
    assert states(limited)[-1] == "held"


def test_what_is_refused_does_not_count(limited: Site) -> None:
    for _ in range(5):
        assert limited.sign(name="").status_code == 422
        assert limited.sign(website="x").status_code == 303
    limited.sign()
    assert states(limited) == ["pending"]
    assert [hit.hits for hit in limited.stored(SignHit)] == [1]


def test_the_limit_ends_with_its_time(limited: Site) -> None:
    for _ in range(4):
        post(limited)
    assert states(limited)[-1] == "held"
    limited.change(SignHit, slot=SignHit.slot - 301 // SLOT_SECONDS)
    post(limited)
    assert states(limited)[-1] == "pending"


def test_a_held_signature_cannot_be_confirmed(limited: Site) -> None:
    for _ in range(4):
        submission = limited.signed()
    limited.client.post(limited.confirm_path(submission))
    assert states(limited)[-1] == "held"
    limited.drain()
    assert limited.total() == 0


def test_a_forged_forwarded_address_is_ignored(limited: Site) -> None:
    for number in range(5):
        assert post(limited, **{"X-Forwarded-For": f"198.51.100.{number}"}) == 303
    assert states(limited) == ["pending"] * 3 + ["held"] * 2
    assert len(by_network(limited)) == 1


@pytest.mark.one_database
def test_a_proxy_of_ours_is_believed_and_no_other(make_app: MakeApp) -> None:
    site = Site(make_app(sign_limit="3 per 5 minutes", trusted_proxies="1"))
    for number in range(5):
        post(site, **{"X-Forwarded-For": f"198.51.100.{number}"})
    assert states(site) == ["pending"] * 5, "five clients behind our proxy"
    for number in range(4):
        post(site, **{"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.99"})
    assert states(site)[5:] == ["pending"] * 3 + ["held"], "the last address is the proxy's, the first is hers to forge"


@only_sqlite
def test_exactly_as_many_proxies_are_believed_as_are_ours(make_app: MakeApp) -> None:
    site = Site(make_app(sign_limit="1 per 5 minutes", trusted_proxies="2"))
    for number in range(2):
        post(site, **{"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.7, 192.0.2.1"})
    assert states(site) == ["pending", "held"], "the third from behind is hers to forge"
    post(site, **{"X-Forwarded-For": "203.0.113.0, 198.51.100.8, 192.0.2.1"})
    assert states(site)[2] == "pending"


# ---------------------------------------------------------------- over a day


def test_a_slow_stream_is_held_by_the_limit_of_a_day(make_app: MakeApp) -> None:
    """Both limits hold, each with its own reason."""
    site = Site(make_app(sign_limit="2 per 5 minutes", sign_limit_sustained="4 per day"))
    for _ in range(3):
        post(site)
    site.change(SignHit, slot=SignHit.slot - 7200 // SLOT_SECONDS)
    for _ in range(2):
        post(site)
    assert [s.state_reason for s in site.stored(Signature)] == ["", "", MANY_AT_ONCE, "", MANY_IN_A_DAY]
    site.change(SignHit, slot=SignHit.slot - 86_400 // SLOT_SECONDS)
    post(site)
    assert states(site)[5] == "pending", "a day later"


def test_a_day_is_added_up_without_reading_all_of_it(make_app: MakeApp) -> None:
    """The statement stops at as many rows as the limit has hits: the sum is as exact as it has to be."""
    site = Site(make_app(sign_limit="70 per 5 minutes", sign_limit_sustained="100 per day"))
    post(site)
    (hit,) = site.stored(SignHit)
    rows = [
        {"campaign_id": hit.campaign_id, "network": hit.network, "slot": hit.slot - number * 60, "hits": 1}
        for number in range(1, 99)
    ]
    with site.app.app_context():
        db.session.execute(sa.insert(SignHit), rows)
        db.session.commit()
    post(site)
    assert states(site) == ["pending"] * 2, "a hundred within the day"
    post(site)
    assert states(site)[2] == "held"
    with site.app.app_context():
        more = [{**row, "slot": row["slot"] - 1} for row in rows]
        db.session.execute(sa.insert(SignHit), more)
        db.session.commit()
    post(site)
    assert states(site)[3] == "held", "more rows than are read"


@only_sqlite
def test_the_limit_of_a_day_can_be_off_alone(make_app: MakeApp) -> None:
    site = Site(make_app(sign_limit="3 per 5 minutes", sign_limit_sustained="off"))
    for _ in range(4):
        post(site)
    assert states(site) == ["pending"] * 3 + ["held"]
    assert make_config(Path("x"), sign_limit_sustained="").sign_limit_sustained == Limit(300, 86_400)


def test_a_flood_is_429_and_stores_nothing(make_app: MakeApp) -> None:
    site = Site(make_app(sign_limit="1000 per 5 minutes"))
    assert [post(site) for _ in range(60)] == [303] * 60
    answer = site.sign(client=_from(site, ADDRESS))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert len(site.stored(Signature)) == 60
    assert post(site, address="192.0.2.1") == 303, "others sign on"
    site.change(SignHit, slot=SignHit.slot - 61 // SLOT_SECONDS - 1)
    assert post(site) == 303, "a minute later"


def _from(site: Site, address: str) -> Any:
    client = site.app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return client


@only_sqlite
def test_off_lifts_every_limit_of_a_client(site: Site) -> None:
    assert {post(site) for _ in range(70)} == {303}
    assert set(states(site)) == {"pending"}
    assert site.stored(SignHit) == []


@only_sqlite
def test_the_default_is_thirty_in_five_minutes(make_app: MakeApp) -> None:
    site = Site(make_app(sign_limit=""))
    for _ in range(32):
        post(site)
    assert states(site) == ["pending"] * 30 + ["held"] * 2


def everything(app: Flask) -> str:
    """All that is stored, as text."""
    with app.app_context():
        db.reading()
        return "\n".join(
            str(row) for table in Base.metadata.tables.values() for row in db.session.execute(table.select())
        )


@pytest.mark.parametrize("address", [ADDRESS, "2001:db8:7:7:1:2:3:4"])
def test_no_address_of_a_client_is_stored(limited: Site, address: str) -> None:
    post(limited, address=address)
    stored = everything(limited.app)
    assert address not in stored
    assert ipaddress.ip_address(address).packed.hex() not in stored


def test_the_network_is_an_hmac_under_the_key_of_the_day(limited: Site) -> None:
    post(limited)
    hit, key = limited.one(SignHit), limited.one(NetworkKey)
    packed = ipaddress.ip_address(ADDRESS).packed
    assert hit.network == hmac.new(key.secret.encode(), packed, hashlib.sha256).hexdigest()[:32]
    assert key.day == db.now().date()
    assert len(key.secret) == 64, "256 bits"


def test_one_house_is_one_network(limited: Site) -> None:
    for address in ("2001:db8:7:7::1", "2001:db8:7:7:ffff::2", "2001:db8:7:8::1"):
        post(limited, address=address)
    assert sorted(by_network(limited).values()) == [1, 2], "an IPv6 network is a /64"
    limited.change(SignHit, hits=0)
    for address in (ADDRESS, f"::ffff:{ADDRESS}"):
        post(limited, address=address)
    assert max(by_network(limited).values()) == 2, "one address in two notations"


def by_network(site: Site) -> Counter[str]:
    """Hits by network, however many slots of ten seconds the test ran through."""
    hits: Counter[str] = Counter()
    for hit in site.stored(SignHit):
        hits[hit.network] += hit.hits
    return hits


def test_keys_and_counts_are_forgotten(limited: Site) -> None:
    post(limited)
    today = db.now().date()
    with limited.app.app_context():
        for days in (6, 7, 8, 30):
            db.session.execute(sa.insert(NetworkKey).values(day=today - dt.timedelta(days=days), secret=str(days) * 8))
        old = SignHit.__table__.insert().values(  # type: ignore[attr-defined]
            campaign_id=1, network="old", slot=int(db.now().timestamp() - 90_000) // SLOT_SECONDS, hits=1
        )
        db.session.execute(old)
        gone = db.now() - dt.timedelta(hours=25)
        db.session.execute(sa.insert(MailAllowance).values(canonical_email="old@example.org", latest_at=gone))
        db.session.commit()
    limited.drain()
    assert [(today - key.day).days for key in limited.stored(NetworkKey)] == [7, 6, 0]
    assert [hit.network for hit in limited.stored(SignHit) if hit.network == "old"] == []
    assert len(limited.stored(SignHit)) == 1, "what limits still look at stays"
    assert [m.canonical_email for m in limited.stored(MailAllowance) if m.canonical_email.startswith("old")] == []
    assert "forget" in jobs.RHYTHM, "it runs by itself"


@only_sqlite
def test_a_process_forgets_the_secret_too(limited: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        post(limited)
    (known,) = limited.stored(NetworkKey)
    remembered = limited.app.extensions["network_secret"]
    assert remembered.secret == known.secret.encode(), "what is committed is not asked for again"
    week_end = dt.datetime.combine(known.day + dt.timedelta(days=8), dt.time.min, dt.UTC).timestamp()
    for moment, is_known in ((week_end - 1, True), (week_end, False)):
        monkeypatch.setattr(networks.time, "time", lambda moment=moment: moment)
        limited.client.get("/robots.txt")
        assert (limited.app.extensions["network_secret"] is not None) == is_known


def test_a_secret_that_is_rolled_back_is_not_remembered(limited: Site) -> None:
    with limited.app.test_request_context("/", method="POST", environ_base={"REMOTE_ADDR": ADDRESS}):
        names = [networks.name_of(security.client_address()) for _ in range(2)]
        assert names[0] == names[1]
        db.session.rollback()
    assert limited.app.extensions["network_secret"] is None


def test_many_at_once_are_counted_one_by_one(limited: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SLOT_SECONDS", 10**6)  # ten seconds may end in the middle of a test
    answers = limited.at_once(lambda client, _number: limited.sign(client=client), times=10)
    assert {answer.status_code for answer in answers} == {303}
    assert sum(hit.hits for hit in limited.stored(SignHit)) == 10
    assert sorted(states(limited)) == ["held"] * 7 + ["pending"] * 3
