"""Numbers by day, language and source: exact after everything that can happen to a signature, and repairable."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from actionkit import db
from actionkit.signing import counting, taking_out
from actionkit.signing.models import CountDay, CountTrace, Signature, SignatureState, SignedTrace, Submission
from actionkit.upkeep import erasure
from tests.signing.site import ITALY, Site

TODAY = db.now().date()


def numbers(site: Site) -> dict[tuple[str, str], int]:
    """Of all days together, what is not nought."""
    summed: dict[tuple[str, str], int] = {}
    for row in site.stored(CountDay, CountDay.measure.not_like("%-m")):
        summed[row.measure, row.value] = summed.get((row.measure, row.value), 0) + row.number
    return {key: number for key, number in summed.items() if number}


def recount(site: Site) -> list[counting.Difference]:
    with site.app.app_context():
        found = counting.recount()
        db.session.commit()
    return found


def test_every_way_of_a_signature_leaves_the_days_exact(site: Site) -> None:
    site.confirmed(email="a@example.org", lang="it")
    withdrawn = site.confirmed(email="b@example.org", country="FR")
    taken = site.confirmed(email="c@example.org")
    site.signed(email="d@example.org")
    site.signed(email="e@example.org")
    erased = site.signed(email="f@example.org")
    site.drain()
    assert recount(site) == []
    assert numbers(site) == {
        ("country", "IT"): 2,
        ("country", "FR"): 1,
        ("language", "it"): 1,
        ("language", "en"): 2,
        ("source", "web"): 3,
        ("signed", ""): 6,
    }

    site.client.post(site.withdraw_path(site.one(Signature, Signature.id == withdrawn.signature_id)))
    with site.app.app_context():
        taken_out = taking_out.take_out([taken.signature_id], counting.BY_RULE)
        erasure.erase("f@example.org")
        db.session.commit()
    assert site.stored(Signature, Signature.id == erased.signature_id) == []
    long_ago = db.now() - dt.timedelta(days=40)
    of = {row.canonical_email: row.id for row in site.stored(Signature)}
    for address in ("d@example.org", "e@example.org"):
        old = {"state": SignatureState.EXPIRED, "signed_at": long_ago, "mailed_at": long_ago}
        site.change(Signature, Signature.id == of[address], **old)
    site.change(Submission, Submission.signature_id == of["d@example.org"], created_at=long_ago)
    site.drain()
    assert len(recount(site)) == 1, "the test moved two signatures to another day"
    site.sign(email="e@example.org")
    assert site.stored(Signature, Signature.id == of["d@example.org"]) == [], "a job deleted it"
    site.drain()
    assert recount(site) == []
    assert numbers(site) == {
        ("country", "IT"): 1,
        ("language", "it"): 1,
        ("source", "web"): 1,
        ("signed", ""): 4,
        ("gone", ""): 2,
    }
    by_day = {(row.measure, row.day): row.number for row in site.stored(CountDay) if row.measure in ("signed", "gone")}
    assert by_day[("signed", TODAY)] == 4
    assert by_day[("signed", long_ago.date())] == 0

    with site.app.app_context():
        taking_out.put_back(taken_out, counting.BY_RULE)
        db.session.commit()
    assert recount(site) == [], "what waits to be added up is part of it"
    assert site.stored(CountTrace)
    site.drain()
    assert numbers(site)["source", "web"] == 2
    assert (site.stored(CountTrace), site.stored(SignedTrace)) == ([], [])


def test_recount_repairs_days(site: Site) -> None:
    site.confirmed()
    site.drain()
    right = numbers(site)
    with site.app.app_context():
        db.session.execute(sa.update(CountDay).where(CountDay.measure == "language").values(value="hi"))
        db.session.execute(sa.delete(CountDay).where(CountDay.measure == "signed"))
        db.session.commit()
    (found,) = recount(site)
    assert (found.slug, found.wrong_buckets, found.wrong_days) == (ITALY, 0, 3), "the month's sums were right"
    assert numbers(site) == right
