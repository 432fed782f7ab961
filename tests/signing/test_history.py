"""The history as open data: it adds up to the count, tells no country of a few, and any cache may keep it."""

from __future__ import annotations

import csv
import datetime as dt
import io
import threading
import time
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.signing import counting, history
from actionkit.signing.history import Hour
from actionkit.signing.models import CampaignCount, CountBucket, CountMilestone
from tests.signing.site import ITALY, Site
from tests.structure.page import Page

JSON, CSV = f"/campaigns/{ITALY}/history.json", f"/campaigns/{ITALY}/history.csv"
NOON = dt.datetime(2026, 3, 29, 12, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)

only_sqlite = pytest.mark.one_database


def count(site: Site, *traces: tuple[dt.datetime, str, int]) -> None:
    """Leave traces (when, country, how many) and add up all that are there."""
    with site.app.app_context():
        for at, country, delta in traces:
            counting.leave_trace(site.campaign().id, at, country, delta)
        counting.add_up()
        db.session.commit()


def told(site: Site) -> dict[str, Any]:
    answer = site.client.get(JSON)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json is not None
    said: dict[str, Any] = answer.json
    for countries in (said["countries"], *(hour["countries"] for hour in said["hours"])):
        assert all(n > 0 for n in countries.values()), "no zero and nothing below it is shown"
        assert all(n >= history.FEWEST for country, n in countries.items() if country != history.UNTOLD)
    assert all(hour["signatures"] == sum(hour["countries"].values()) > 0 for hour in said["hours"])
    assert said["total"] == sum(hour["signatures"] for hour in said["hours"]) == sum(said["countries"].values())
    assert said["total"] == site.total(), "the number of count.json"
    return said


def rows(site: Site) -> list[tuple[str, str, int]]:
    answer = site.client.get(CSV)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, *rest = csv.reader(io.StringIO(answer.data.decode("utf-8"), newline=""), strict=True)
    assert header == ["hour", "country", "signatures"]
    assert answer.data.count(b"\r\n") == answer.data.count(b"\n") == len(rest) + 1
    return [(hour, country, int(n)) for hour, country, n in rest]


def test_what_supporters_confirmed_is_told_by_hour_and_country(site: Site) -> None:
    for country in ("IT", "IT", "FR"):
        site.confirmed(country=country)
    count(site)
    ended = counting.hour_of(db.now()) - 30 * HOUR
    site.change(CountBucket, hour=ended)
    count(site, (ended, "IT", 1), (ended + HOUR, "FR", 4), (ended + 3 * HOUR, "IT", 2))
    site.change(Campaign, Campaign.slug == ITALY, goal=9)
    count(site, (db.now(), "IT", 3))
    said = told(site)
    moment = [(ended + n * HOUR).strftime("%Y-%m-%dT%H:00:00Z") for n in (0, 1, 3)]
    this_hour = counting.hour_of(db.now()).strftime("%Y-%m-%dT%H:00:00Z")
    assert said["hours"] == [
        {"hour": moment[0], "signatures": 4, "countries": {"IT": 3, "ZZ": 1}},
        {"hour": moment[1], "signatures": 4, "countries": {"FR": 4}},
        {"hour": moment[2], "signatures": 2, "countries": {"ZZ": 2}},
        {"hour": this_hour, "signatures": 3, "countries": {"ZZ": 3}},
    ]
    assert rows(site) == [
        (hour["hour"], country, n) for hour in said["hours"] for country, n in hour["countries"].items()
    ]
    assert (said["campaign"], said["goal"], said["total"]) == (ITALY, 9, 13)
    assert [(m["signatures"], m["is_goal"]) for m in said["milestones"]] == [(9, True), (10, False)]
    counted_at = site.one(CampaignCount).as_of.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (said["as_of"], said["milestones"][0]["reached_at"]) == (counted_at, counted_at)


@only_sqlite
def test_withdrawn_ones_leave_it_and_the_milestone_stays(site: Site) -> None:
    count(site, (NOON, "IT", 10), (NOON, "FR", 1))
    count(site, (NOON, "FR", -1), (NOON, "IT", -2))
    said = told(site)
    assert said["hours"] == [{"hour": "2026-03-29T12:00:00Z", "signatures": 8, "countries": {"IT": 8}}]
    assert [m["signatures"] for m in said["milestones"]] == [10]
    count(site, (NOON, "IT", -8))
    assert (told(site)["hours"], rows(site)) == ([], [])


@only_sqlite
def test_what_staff_took_out_is_told_where_the_campaign_says_so(site: Site) -> None:
    count(site, (NOON, "IT", 5))
    assert "removed" not in told(site)
    site.change(CampaignCount, removed=2)
    site.change(Campaign, Campaign.slug == ITALY, shows_removed=True)
    assert told(site)["removed"] == 2


@only_sqlite
def test_a_goal_of_today_that_was_a_round_number_then_is_marked(site: Site) -> None:
    count(site, (NOON, "IT", 60))
    site.change(Campaign, Campaign.slug == ITALY, goal=50)
    assert [m["signatures"] for m in told(site)["milestones"] if m["is_goal"]] == [50]


# ---------------------------------------------------------------- few are not told


def test_the_hour_that_is_not_over_names_no_country() -> None:
    hour = Hour(NOON, Counter({"IT": 9, "FR": 3, "IR": 2, "ER": 1}))
    assert hour.told(NOON + HOUR - dt.timedelta(seconds=1)) == {"ZZ": 15}
    assert hour.told(NOON + HOUR) == {"FR": 3, "IT": 9, "ZZ": 3}


def test_who_looks_every_day_never_sees_a_country_grow_by_less_than_three() -> None:
    """Iran signs one by one over the days; what is told of it moves in steps, after whole days."""
    by_hour = [Hour(NOON + n * DAY, Counter({"IT": 5, "IR": 1 + (n == 4)})) for n in range(8)]
    seen = []
    for n in range(9):
        counts = history.told_in_all(by_hour[: n + 1], NOON + n * DAY)
        assert sum(counts.values()) == sum(hour.counted.total() for hour in by_hour[: n + 1])
        seen.append(counts.get("IR", 0))
    assert seen == [0, 0, 0, 3, 3, 6, 6, 6, 9]
    assert all(after - before not in (1, 2) for before, after in pairwise(seen))


def test_every_way_to_tell_adds_up(site: Site) -> None:
    """Many small numbers in many hours: no sum is lost in any of the three."""
    countries = ("IT", "FR", "IR", "ER", "XK", "IN")
    count(
        site,
        *((NOON + n * 7 * HOUR, countries[n * n % 6], 1 + n * 5 % 4) for n in range(60)),
        (db.now(), "IT", 4),
    )
    said = told(site)
    by_hour: Counter[str] = Counter()
    for hour, _country, n in rows(site):
        by_hour[hour] += n
    assert by_hour == {hour["hour"]: hour["signatures"] for hour in said["hours"]}
    assert history.UNTOLD in said["countries"], "today's are not told yet"
    assert not set(said["countries"]) - {*countries, history.UNTOLD}


# ---------------------------------------------------------------- as answers


@only_sqlite
@pytest.mark.parametrize("path", [JSON, CSV])
def test_any_cache_may_keep_it_until_a_count_changes_it(site: Site, path: str) -> None:
    count(site, (NOON, "IT", 3))
    first = site.client.get(path, buffered=True)
    assert first.headers["Cache-Control"].startswith("public, max-age=5, stale-while-revalidate")
    assert not {"Set-Cookie", "Access-Control-Allow-Origin"} & {*first.headers.keys()}
    known = {"If-None-Match": first.headers["ETag"]}
    again = site.client.get(path, headers=known, buffered=True)
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    head = site.client.head(path)
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", first.headers["ETag"])
    assert head.headers["Content-Type"] == first.headers["Content-Type"]
    assert site.client.post(path).status_code == 405

    count(site, (NOON, "IT", 1))
    assert site.client.get(path, headers=known, buffered=True).status_code == 200
    site.change(CountBucket, country="FR")  # a fault that only a recount finds: the total is right
    known = {"If-None-Match": site.client.get(path, buffered=True).headers["ETag"]}
    site.app.test_cli_runner().invoke(args=["recount", ITALY])
    assert site.client.get(path, headers=known, buffered=True).status_code == 200
    known = {"If-None-Match": site.client.get(path, buffered=True).headers["ETag"]}
    site.change(Campaign, Campaign.slug == ITALY, goal=77)
    assert site.client.get(path, headers=known, buffered=True).status_code == 200


@only_sqlite
def test_an_hour_that_is_over_is_told_without_a_new_count(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    count(site, (db.now(), "IT", 3))
    now = site.client.get(CSV, buffered=True)
    assert now.text.splitlines()[1].endswith(",ZZ,3")
    later = db.now() + HOUR
    monkeypatch.setattr(db, "now", lambda: later)
    then = site.client.get(CSV, headers={"If-None-Match": now.headers["ETag"]})
    assert then.text.splitlines()[1].endswith(",IT,3")


@only_sqlite
@pytest.mark.parametrize(
    "path",
    [
        "/campaigns/unknown/history.json",
        "/campaigns/spain-draft/history.json",
        "/campaigns/spain-draft/history.csv",
        f"/campaigns/{ITALY}/history",
        f"/campaigns/{ITALY}/history.xml",
        f"/campaigns/{ITALY}/history.JSON",
        f"/campaigns/{ITALY}/history.csv/",
    ],
)
def test_there_is_none_of_a_draft_or_under_another_name(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")


@only_sqlite
def test_a_campaign_that_nobody_has_signed_has_an_empty_one(site: Site) -> None:
    said = told(site)
    created_at = site.campaign().created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert said == {
        "campaign": ITALY, "as_of": created_at, "total": 0, "goal": 100,
        "hours": [], "countries": {}, "milestones": [],
    }  # fmt: skip
    assert rows(site) == []


@only_sqlite
def test_the_page_leads_to_it(site: Site) -> None:
    page = Page(site.client.get(f"/campaigns/{ITALY}").text)
    assert {JSON, CSV} <= {link["href"] for link in page.all("a")}
    base = site.app.config["ACTIONKIT"].base_url
    alternates = {link["type"]: link["href"] for link in page.all("link", rel="alternate") if link["type"]}
    assert (alternates["application/json"], alternates["text/csv"]) == (f"{base}{JSON}", f"{base}{CSV}")


def test_a_long_history_comes_in_parts_from_one_moment(site: Site) -> None:
    """Twenty thousand buckets; a count in the middle of the download is not in it, and waits for nobody."""
    codes = [f"{a}{b}" for a in "ABCDE" for b in "ABCDEFGHIJ"]
    with site.app.app_context():
        campaign_id = site.campaign().id
        buckets = [
            {"campaign_id": campaign_id, "hour": NOON + n * HOUR, "country": code, "signatures": 3}
            for n in range(400)
            for code in codes
        ]
        db.session.execute(sa.insert(CountBucket.__table__), buckets)
        db.session.commit()
    with site.app.app_context(), db.snapshot() as moment:
        parts = history.as_csv(moment, campaign_id, NOON + 9_000 * HOUR)
        received = [next(parts)]
        began = time.monotonic()
        count(site, (NOON + 399 * HOUR, "AA", 5))
        assert time.monotonic() - began < 2, "a download holds up the count"
        received += parts
    assert max(map(len, received)) < 200_000, "no part is long, whatever the campaign's age"
    text = b"".join(received).decode()
    assert text.count("\r\n") == 20_001
    assert all(line.endswith(",3") for line in text.splitlines()[1:]), "all of one moment"


def test_what_is_read_beside_the_count_always_adds_up(site: Site) -> None:
    done = threading.Event()
    faults: list[Exception] = []

    def sign_and_withdraw() -> None:
        for n in range(20):
            count(site, (NOON + n % 5 * HOUR, ("IT", "FR")[n % 2], 3 - n % 2))
            if n % 4 == 0:
                count(site, (NOON + n % 5 * HOUR, ("IT", "FR")[n % 2], -2))
        done.set()

    def read() -> None:
        client = site.app.test_client()
        try:
            while not done.wait(0.02):
                said = client.get(JSON).json
                assert said is not None
                assert said["total"] == sum(h["signatures"] for h in said["hours"]) == sum(said["countries"].values())
                milestones = [m["signatures"] for m in said["milestones"]]
                assert 10 in milestones or said["total"] < 10, "a total and its milestone are of one moment"
        except Exception as fault:
            faults.append(fault)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    sign_and_withdraw()
    for reader in readers:
        reader.join()
    assert faults == []
    assert len(site.stored(CountMilestone, CountMilestone.threshold == 10)) == 1
