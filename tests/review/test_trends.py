"""What comes in heaps: counted by the hour, once each; and the rule that does not cry for a campaign that grows."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
import sqlalchemy as sa

from actionkit import db, jobs
from actionkit.review import trends, watch
from actionkit.review.models import Cursor, StaffAlert, Trend
from actionkit.signing.models import Signature, SignatureState, Source, Submission
from actionkit.staff.models import StaffRole
from tests.conftest import MakeApp
from tests.review.conftest import NETWORK, ReviewSite, hour
from tests.signing.site import ITALY
from tests.structure.conftest import SignIn

only_sqlite = pytest.mark.one_database


def stored(site: ReviewSite) -> dict[tuple[str, str], int]:
    rows = site.stored(Trend)
    return {(row.kind, row.value): row.signatures for row in rows}


def told(site: ReviewSite) -> list[tuple[str, str, int]]:
    return [(alert.kind, alert.value, alert.signatures) for alert in site.stored(StaffAlert)]


# ---------------------------------------------------------------- adding up


def test_a_signature_is_added_to_its_hour_once(site: ReviewSite) -> None:
    for email in ("ann@Example.ORG", "ANN@example.org", "bob@exämple.org"):
        site.signed(email=email)
    site.look()
    assert stored(site) == {}, "what has just been signed is left for the next look"
    site.grow_old()
    site.look()
    site.look()
    (network,) = {row.network for row in site.stored(Submission)}
    assert len(network) == 32
    assert stored(site) == {
        ("network", network): 2,
        ("domain", "example.org"): 1,
        ("domain", "xn--exmple-cua.org"): 1,
    }
    assert {row.hour for row in site.stored(Trend)} <= {hour(), hour(1)}


@only_sqlite
def test_what_staff_bring_in_and_what_is_erased_is_no_trend(site: ReviewSite) -> None:
    site.crowd(60, "import.example")
    site.change(Submission, source=Source.IMPORT)
    site.crowd(1, "erased.example")
    site.change(Signature, Signature.canonical_email.like("%erased%"), canonical_email="3f1c")
    site.look()
    assert stored(site) == {}
    assert site.one(Cursor, Cursor.name == watch.TRENDS).position == 61


def test_two_workers_at_once_add_nothing_twice(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BATCH", 20)
    monkeypatch.setattr(jobs, "BETWEEN_BATCHES", 0)
    site = ReviewSite(make_app())
    site.crowd(200, "gmail.com", network=NETWORK)
    start = threading.Barrier(4)
    faults: list[BaseException] = []

    def work() -> None:
        start.wait()
        try:
            site.look()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    site.look()
    assert stored(site) == {("network", NETWORK): 200, ("domain", "gmail.com"): 200}


def test_a_job_that_dies_has_added_nothing(site: ReviewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site.crowd(60, "fresh.example")
    with monkeypatch.context() as broken:
        broken.setattr(watch.alerts, "tell", lambda *_about: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            site.look()
    assert stored(site) == {}
    assert site.stored(Cursor, Cursor.position > 0) == []
    site.look()
    assert stored(site) == {("domain", "fresh.example"): 60}


def test_a_row_that_is_still_young_holds_back_those_after_it(site: ReviewSite) -> None:
    site.crowd(1, "first.example")
    young = site.signed(email="a@second.example")
    site.crowd(1, "third.example")
    site.look()
    assert [value for _kind, value in stored(site)] == ["first.example"], "an id before it may still be on its way"
    site.change(Submission, Submission.id == young.id, created_at=db.now() + dt.timedelta(hours=2))
    site.look()
    assert ("domain", "third.example") in stored(site), "a clock that was set back stops nobody for two hours"


# ---------------------------------------------------------------- networks


def test_fifty_from_one_network_within_an_hour_are_an_alert(site: ReviewSite) -> None:
    site.crowd(49, network=NETWORK)
    site.crowd(30, network="b" * 32, hours_ago=2)
    site.crowd(30, network="b" * 32, hours_ago=3)
    site.crowd(40, slug="india-water", network="c" * 32)
    site.crowd(40, slug="kenya-petition", network="c" * 32)
    site.look()
    assert [alert for alert in told(site) if alert[0] == "network"] == []
    site.crowd(1, network=NETWORK)
    site.look()
    assert ("network", NETWORK, 50) in told(site)
    site.crowd(30, network=NETWORK)
    site.look()
    assert len([alert for alert in told(site) if alert[0] == "network"]) == 1, "one alert for an hour"


@only_sqlite
def test_what_is_read_a_day_late_alarms_nobody(site: ReviewSite) -> None:
    site.crowd(60, "fresh.example", network=NETWORK, hours_ago=26)
    site.look()
    assert told(site) == []
    assert stored(site) == {("domain", "fresh.example"): 60}, "a network of yesterday is not asked about either"


# ---------------------------------------------------------------- domains


def test_gmail_that_grows_with_its_campaign_is_no_alert_and_a_fresh_domain_is(site: ReviewSite) -> None:
    for ago, number in enumerate((160, 120, 90, 60, 40, 20), start=1):
        site.crowd(number, "gmail.com", hours_ago=ago)
        site.crowd(number // 2, "libero.it", hours_ago=ago)
    site.crowd(300, "gmail.com")
    site.crowd(140, "libero.it")
    site.look()
    assert told(site) == [], "seven times as many as the hour's average, and nothing but a campaign that grows"
    site.crowd(49, "fresh.example")
    site.look()
    assert told(site) == []
    site.crowd(6, "fresh.example")
    site.look()
    assert told(site) == [("domain", "fresh.example", 55)]


@pytest.mark.parametrize(
    ("signatures", "of", "before", "of_before", "is_listed", "is_one"),
    [
        # A campaign's first hour: a provider of the table is never news, a domain that brings half of it is.
        (400, 400, 0, 0, True, False),
        (60, 60, 0, 0, False, True),
        (60, 200, 0, 0, False, False),
        (100, 200, 0, 0, False, True),
        # A known share: five times it is.
        (100, 1000, 100, 5000, False, False),
        (110, 1000, 100, 5000, False, True),
        # A provider with a small share that leaps.
        (80, 200, 5, 1000, True, True),
        # A domain with a share of a fifth or more can only grow with the campaign.
        (900, 1000, 250, 1000, False, False),
        # Fewer than fifty are nothing, whatever their share.
        (49, 49, 0, 5000, False, False),
    ],
)
def test_the_rule(signatures: int, of: int, before: int, of_before: int, is_listed: bool, is_one: bool) -> None:
    unusual = trends.is_unusual(signatures, of=of, before=before, of_before=of_before, is_listed=is_listed)
    assert unusual == is_one


# ---------------------------------------------------------------- forgetting


def test_old_trends_go_and_small_networks_go_first(site: ReviewSite) -> None:
    with site.app.app_context():
        rows = [
            (hour(24 * 30 + 1), "domain", "old.example", 900),
            (hour(24 * 29), "domain", "kept.example", 1),
            (hour(5), "network", "few", trends.FEW - 1),
            (hour(5), "network", "many", trends.FEW),
            (hour(5), "domain", "few.example", 1),
            (hour(1), "network", "fresh", 1),
        ]
        names = ("hour", "kind", "value", "signatures")
        place = {"campaign_id": site.campaign().id}
        db.session.execute(sa.insert(Trend), [{**place, **dict(zip(names, row, strict=True))} for row in rows])
        db.session.commit()
    site.drain()
    assert {row.value for row in site.stored(Trend)} == {"kept.example", "many", "few.example", "fresh"}


# ---------------------------------------------------------------- the list that a trend leads to


def test_the_list_is_filtered_by_domain_network_and_reason(site: ReviewSite, sign_in: SignIn) -> None:
    site.crowd(3, "fresh.example", network=NETWORK)
    site.crowd(2, "sub.fresh.example", state=SignatureState.HELD)
    site.crowd(2, "fresh_example", addresses=("a@freshxexample.org", "b@example.org"), network="d" * 32)
    site.change(Signature, Signature.state == "held", state_reason="many signatures from one network")
    site.change(Submission, Submission.network == "", seconds_on_form=3)
    client = sign_in(StaffRole.VIEWER, ITALY)

    def rows(**query: str) -> int:
        page = client.get(f"/staff/campaigns/{ITALY}/signatures", query_string=query)
        assert page.status_code == 200
        return page.text.count('<th scope="row"')

    assert rows() == 7
    assert rows(domain="fresh.example") == 3
    assert rows(domain="fresh_example") == rows(domain="%") == 0
    assert rows(network=NETWORK) == 3
    assert rows(network="a1b2c3") == 0
    assert rows(state="held", reason="many signatures from one network") == 2
    assert rows(state="held", reason="another") == 0
    held = client.get(f"/staff/campaigns/{ITALY}/signatures?state=held").text
    assert "Seconds on the form" in held
    assert "reason=many+signatures+from+one+network" in held
