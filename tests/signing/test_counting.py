"""Counting: exact under threads, seconds late at most, and repairable."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from actionkit import db
from actionkit.signing import counting
from actionkit.signing.models import CampaignCount, CountBucket, CountTrace, Signature, SignatureState, Submission
from tests.signing.site import ITALY, Site

HOUR = dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC)


def run_all(*work: Any) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_adding_up_beside_confirming_loses_and_doubles_nothing(site: Site) -> None:
    writers, each = 4, 25
    campaigns = [site.campaign(slug).id for slug in (ITALY, "kenya-petition")]
    done = threading.Event()
    faults: list[Exception] = []

    def confirm(number: int) -> None:
        for n in range(each):
            with site.app.app_context():
                at = HOUR + dt.timedelta(minutes=7 * n)
                counting.leave_trace(campaigns[n % 2], at, ("IT", "FR")[number % 2], +1)
                db.session.commit()

    def add_up() -> None:
        while not done.is_set():
            try:
                with site.app.app_context():
                    counting.add_up(most=7)
                    db.session.commit()
            except Exception as fault:
                faults.append(fault)

    adders = [threading.Thread(target=add_up) for _ in range(3)]
    for adder in adders:
        adder.start()
    run_all(*(lambda number=number: confirm(number) for number in range(writers)))
    done.set()
    for adder in adders:
        adder.join()
    assert faults == [], "two jobs at once stand in each other's way"
    site.drain()
    totals = {row.campaign_id: row.total for row in site.stored(CampaignCount)}
    assert sum(totals.values()) == writers * each
    assert totals == {campaigns[0]: writers * 13, campaigns[1]: writers * 12}
    buckets = site.stored(CountBucket)
    assert sum(bucket.signatures for bucket in buckets) == writers * each
    assert {bucket.country for bucket in buckets} == {"IT", "FR"}
    assert all(bucket.hour.minute == 0 for bucket in buckets)
    assert site.stored(CountTrace) == []


def test_a_job_that_dies_has_added_nothing(site: Site) -> None:
    site.confirmed()
    with site.app.app_context():
        assert counting.add_up() == 2, "one that it was sent in, one that it counts"
        db.session.rollback()
    assert (site.total(), len(site.stored(CountTrace))) == (0, 1)
    site.drain()
    assert site.total() == 1


def test_count_json_says_what_counts(site: Site) -> None:
    site.confirmed()
    site.signed()
    site.drain()
    answer = site.client.get(f"/campaigns/{ITALY}/count.json")
    said = answer.json
    assert said is not None
    as_of = dt.datetime.fromisoformat(said.pop("as_of").replace("Z", "+00:00"))
    assert said == {"campaign": ITALY, "signatures": 1, "goal": 100, "state": "open"}
    assert abs(db.now() - as_of) < dt.timedelta(seconds=5)
    assert "max-age=2" in answer.headers["Cache-Control"]
    assert "public" in answer.headers["Cache-Control"]


def test_a_count_that_is_behind_says_since_when(site: Site) -> None:
    site.confirmed()
    site.drain()
    site.confirmed()
    counted_at = db.now() - dt.timedelta(seconds=30)
    site.change(CampaignCount, as_of=counted_at)
    answer = site.client.get(f"/campaigns/{ITALY}/count.json").json
    assert answer is not None
    assert answer["as_of"] == counted_at.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("slug", "state"), [("norway-won", "closed"), ("kenya-petition", "open")])
def test_every_public_campaign_has_a_number(site: Site, slug: str, state: str) -> None:
    answer = site.client.get(f"/campaigns/{slug}/count.json").json
    assert answer is not None
    assert (answer["signatures"], answer["goal"], answer["state"]) == (0, 10, state)


def test_held_pending_and_taken_out_ones_do_not_count(site: Site) -> None:
    path = site.confirm_path(site.signed())
    for state in (SignatureState.HELD, SignatureState.INVALIDATED):
        site.change(Signature, state=state)
        site.client.post(path)
        site.drain()
        assert site.total() == 0, state


def test_withdrawing_subtracts_in_the_hour_it_was_added(site: Site) -> None:
    site.confirmed(country="FR")
    earlier = db.now() - dt.timedelta(hours=5)
    site.change(Signature, confirmed_at=earlier)
    site.change(CountTrace, hour=counting.hour_of(earlier))
    site.drain()
    site.client.post(site.withdraw_path(site.one(Signature)))
    site.drain()
    assert site.total() == 0
    (bucket,) = site.stored(CountBucket)
    assert (bucket.country, bucket.signatures) == ("FR", 0)


def add_up(site: Site) -> None:
    with site.app.app_context():
        counting.add_up()
        db.session.commit()


def recount(site: Site, *slug: str) -> str:
    result = site.app.test_cli_runner().invoke(args=["recount", *slug])
    assert result.exit_code == 0, result.output
    return result.stdout


def spoil(site: Site) -> None:
    """A total and two buckets that are wrong, one of them of an hour that never was."""
    with site.app.app_context():
        campaign_id = site.campaign().id
        db.session.execute(sa.update(CampaignCount).values(total=40))
        db.session.execute(sa.update(CountBucket).values(signatures=7))
        bucket = {"campaign_id": campaign_id, "hour": HOUR, "country": "XK", "signatures": 2}
        db.session.execute(sa.insert(CountBucket).values(bucket))
        db.session.commit()


def test_recount_finds_prints_and_repairs(site: Site) -> None:
    for country in ("IT", "FR", "IT"):
        site.confirmed(country=country)
    site.drain()
    site.confirmed(country="IT")
    assert recount(site) == "no difference\n", "what waits to be added up is no difference"
    spoil(site)
    assert recount(site, "kenya-petition") == "no difference\n", "another campaign is not looked at"
    said = recount(site, ITALY)
    assert said.startswith(f"{ITALY}: stored 41, counted 4, ")
    assert recount(site) == "no difference\n"
    site.drain()
    assert site.total() == 4
    assert {b.country: b.signatures for b in site.stored(CountBucket)} == {"IT": 3, "FR": 1, "XK": 0}


def test_two_recounts_at_once_repair_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for country in ("IT", "FR"):
        site.confirmed(country=country)
    site.drain()
    spoil(site)
    both_have_looked, look = threading.Barrier(2), counting._difference
    looks = threading.local()

    def look_first_together(campaign_id: int, slug: str) -> Any:
        seen = look(campaign_id, slug)
        if slug == ITALY and not getattr(looks, "is_done", False):
            looks.is_done = True
            both_have_looked.wait(30)
        return seen

    found: list[int] = []

    def recount_once() -> None:
        with site.app.app_context():
            found.append(len(counting.recount()))
            db.session.commit()

    monkeypatch.setattr(counting, "_difference", look_first_together)
    run_all(recount_once, recount_once)
    assert sorted(found) == [0, 1]
    assert recount(site, "kenya-petition") == "no difference\n"
    assert site.total() == 2


def test_recounting_beside_confirming_and_counting_is_exact(site: Site) -> None:
    """It repairs what was wrong before, and neither repairs nor spoils what happens meanwhile."""
    paths = [site.confirm_path(site.signed(country=("IT", "FR")[n % 2])) for n in range(16)]
    for path in paths[:4]:
        site.client.post(path)
    add_up(site)
    spoil(site)
    done = threading.Event()
    faults: list[Exception] = []

    def again_and_again(what: Any) -> None:
        try:
            while not done.is_set():
                with site.app.app_context():
                    what()
                    db.session.commit()
        except Exception as fault:
            faults.append(fault)

    others = [threading.Thread(target=again_and_again, args=(each,)) for each in (counting.recount, counting.add_up)]
    for other in others:
        other.start()
    answers = site.at_once(lambda client, n: client.post(paths[4 + n]), times=12)
    done.set()
    for other in others:
        other.join()
    assert (faults, {answer.status_code for answer in answers}) == ([], {200})
    assert recount(site) == "no difference\n"
    add_up(site)
    assert (site.total(), len(site.stored(CountTrace))) == (16, 0)
    by_country: Counter[str] = Counter()
    for bucket in site.stored(CountBucket):
        by_country[bucket.country] += bucket.signatures
    assert by_country == {"IT": 8, "FR": 8, "XK": 0}


def test_recount_of_an_unknown_campaign_fails_in_one_line(site: Site) -> None:
    result = site.app.test_cli_runner().invoke(args=["recount", "unknown"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "actionkit: there is no campaign 'unknown'\n"


def test_a_lost_count_is_found_again(site: Site) -> None:
    for _ in range(3):
        site.confirmed()
    with site.app.app_context():
        for table in (CountTrace, CampaignCount, CountBucket):
            db.session.execute(sa.delete(table))
        db.session.commit()
    assert f"{ITALY}: stored 0, counted 3" in recount(site)
    assert site.total() == 3


def test_the_page_shows_the_number_of_the_last_count(site: Site) -> None:
    site.confirmed()
    before = site.client.get(f"/campaigns/{ITALY}").text
    site.drain()
    assert "data-count>0<" in before
    assert "data-count>1<" in site.client.get(f"/campaigns/{ITALY}").text


def test_only_who_wants_it_is_shown_and_only_when_confirmed(site: Site) -> None:
    site.confirmed(name="Shown Person", show_name="yes")
    site.confirmed(name="Hidden Person")
    site.signed(name="Pending Person", show_name="yes")
    page = site.client.get(f"/campaigns/{ITALY}").text
    assert "Shown Person" in page
    assert "Hidden Person" not in page
    assert "Pending Person" not in page
    assert all(s.email not in page for s in site.stored(Submission))
