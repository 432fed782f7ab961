"""Milestones: stamped once for ever by the count that reached them, and said on the page."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignState
from actionkit.signing import counting, milestones
from actionkit.signing.models import CampaignCount, CountMilestone
from tests.signing.site import ITALY, Site
from tests.structure.page import Page

HOUR = dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC)

only_sqlite = pytest.mark.one_database


def trace(site: Site, delta: int, slug: str = ITALY) -> None:
    """So many signatures more (or fewer), not yet added up."""
    with site.app.app_context():
        counting.leave_trace(site.campaign(slug).id, HOUR, "IT", delta)
        db.session.commit()


def count(site: Site) -> None:
    with site.app.app_context():
        while counting.add_up():
            db.session.commit()


def counted(site: Site, delta: int, slug: str = ITALY) -> None:
    trace(site, delta, slug)
    count(site)


def reached(site: Site, slug: str = ITALY) -> dict[int, bool]:
    """Threshold and whether it was the goal, of what is stamped."""
    stamped = site.stored(CountMilestone, CountMilestone.campaign_id == site.campaign(slug).id)
    return {milestone.threshold: milestone.is_goal for milestone in stamped}


def test_each_number_is_stamped_by_the_count_that_reaches_it(site: Site) -> None:
    site.change(Campaign, Campaign.slug == ITALY, goal=60)
    counted(site, 9)
    assert reached(site) == {}
    before = db.now()
    counted(site, 1)
    counted(site, 49, "kenya-petition")
    (ten,) = site.stored(CountMilestone, CountMilestone.campaign_id == site.campaign().id)
    assert (ten.threshold, ten.is_goal) == (10, False)
    assert before <= ten.reached_at <= db.now()
    assert reached(site, "kenya-petition") == {10: True}, "its goal is a round number, and one row"
    counted(site, 500)
    assert reached(site) == {10: False, 50: False, 60: True, 100: False, 500: False}


@only_sqlite
def test_what_was_reached_stays_reached(site: Site) -> None:
    counted(site, 12)
    (first,) = site.stored(CountMilestone)
    counted(site, -5)
    counted(site, +5)
    (again,) = site.stored(CountMilestone)
    assert again.reached_at == first.reached_at


@only_sqlite
def test_a_new_goal_is_stamped_when_it_is_reached(site: Site) -> None:
    site.change(Campaign, Campaign.slug == ITALY, goal=20)
    counted(site, 20)
    site.change(Campaign, Campaign.slug == ITALY, goal=30)
    counted(site, 1)
    assert reached(site) == {10: False, 20: True}
    counted(site, 9)
    assert reached(site) == {10: False, 20: True, 30: True}


def test_a_count_that_is_undone_stamps_nothing_and_a_recount_stamps_what_is_missing(site: Site) -> None:
    for _ in range(10):
        site.confirmed(comment="")
    with site.app.app_context():
        counting.add_up()
        db.session.rollback()
    assert reached(site) == {}
    count(site)
    with site.app.app_context():
        db.session.execute(sa.delete(CountMilestone))
        db.session.commit()
    assert site.app.test_cli_runner().invoke(args=["recount", ITALY]).stdout == "no difference\n"
    assert reached(site) == {10: False}


def test_jobs_at_once_stamp_each_number_once(site: Site) -> None:
    slugs = (ITALY, "kenya-petition", "india-water")
    for n in range(60):
        trace(site, 1, slugs[n % 3])
    faults: list[Exception] = []

    def add_up() -> None:
        try:
            with site.app.app_context():
                while counting.add_up(most=5):
                    db.session.commit()
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=add_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    count(site)
    assert faults == []
    assert {row.total for row in site.stored(CampaignCount)} == {20}
    assert len(site.stored(CountMilestone, CountMilestone.threshold == 10)) == 3


def test_a_count_asks_once_whatever_it_touched(site: Site) -> None:
    """One statement, and none where nothing was counted."""
    said: list[str] = []
    engine = site.app.extensions["database"]["writing"]
    sa.event.listen(engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    trace(site, 1)
    trace(site, 1, "kenya-petition")
    said.clear()
    with site.app.app_context():
        counting.add_up()
        db.session.commit()
        counting.add_up()
        db.session.commit()
    assert len([statement for statement in said if "count_milestones" in statement]) == 1


# ---------------------------------------------------------------- on the page


def said(site: Site, slug: str = ITALY, lang: str = "") -> str:
    page = Page(site.client.get(f"/campaigns/{slug}", query_string={"lang": lang} if lang else {}).text)
    return " ".join(element.words for element in page.of_class("goal-reached"))


@only_sqlite
def test_the_page_says_when_the_goal_was_reached_by_the_campaigns_own_clock(site: Site) -> None:
    site.change(Campaign, Campaign.slug == ITALY, goal=5_000, timezone="Pacific/Auckland")
    counted(site, 4_999)
    assert said(site) == ""
    counted(site, 1)
    site.change(CountMilestone, CountMilestone.threshold == 5_000, reached_at=HOUR.replace(hour=20))
    assert said(site) == "The goal of 5,000 was reached on March 30, 2026."
    counted(site, -10)
    assert said(site) == "The goal of 5,000 was reached on March 30, 2026.", "it was, whatever came later"
    site.change(Campaign, Campaign.slug == ITALY, goal=6_000)
    assert said(site) == "", "the goal of today was not"


@only_sqlite
@pytest.mark.parametrize("goal", [0, 10])
def test_a_closed_campaign_says_so_too_and_one_without_a_goal_nothing(site: Site, goal: int) -> None:
    counted(site, 10)
    site.change(Campaign, Campaign.slug == ITALY, goal=goal, state=CampaignState.CLOSED, closed_at=db.now())
    assert bool(said(site)) == bool(goal)


def test_the_series_fits_the_column() -> None:
    assert milestones.ROUND[:4] == (10, 50, 100, 500)
    assert list(milestones.ROUND) == sorted(set(milestones.ROUND))
    assert milestones.ROUND[-1] < 2**31
