"""The pages of figures: what they say is what happened, to whom it belongs, and what their files say too."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest
import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.figures import attention, goals, numbers, spans
from actionkit.figures.opened_views import EVERY_SECONDS, MOST_CAMPAIGNS, Sums
from actionkit.signing import counting
from actionkit.signing.models import CountDay, Measure, Signature, SignatureState
from actionkit.staff.models import StaffRole
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn
from tests.structure.page import Page

KENYA = "kenya-petition"
TODAY = dt.date(2026, 3, 31)


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.fixture
def counted(site: Site) -> Site:
    """Three confirmed in Italy's campaign and one in Kenya's; one that nobody confirmed; a page opened four times."""
    site.confirmed(email="a@example.org", lang="it")
    site.confirmed(email="b@example.org", country="FR")
    site.confirmed(email="c@example.org")
    site.signed(email="d@example.org")
    site.confirmed(KENYA, email="a@example.org", country="KE")
    site.drain()
    with site.app.app_context():
        for id_ in (site.campaign().id, site.campaign(KENYA).id):
            counting.add_to_day(id_, Measure.OPENED, db.now().date(), "", 4)
        db.session.commit()
    return site


def test_numbers_and_files_say_the_same_for_one_and_for_all(counted: Site, sign_in: SignIn) -> None:
    viewer, admin = sign_in(StaffRole.VIEWER, KENYA), sign_in(StaffRole.ADMIN)
    today = db.now().date().isoformat()
    overview = f"/staff/campaigns/{ITALY}/overview"
    assert viewer.get(overview).status_code == viewer.get(f"{overview}.csv").status_code == 404

    def file(path: str) -> list[list[str]]:
        answer = admin.get(path)
        assert answer.mimetype == "text/csv"
        return rows(answer.text)

    assert file(f"{overview}.csv?what=country") == [["country", "signatures"], ["IT", "2"], ["FR", "1"]]
    assert file(f"{overview}.csv?what=language") == [["language", "signatures"], ["en", "2"], ["it", "1"]]
    assert file(f"{overview}.csv?what=source") == [["source", "signatures"], ["web", "3"]]
    assert file(f"{overview}.csv?what=day&span=7")[-1] == [today, "3"]
    hours = file(f"{overview}.csv?what=hour&span=7")
    assert sum(int(n) for _hour, n in hours[1:]) == 3
    assert 6 * 24 < len(hours) - 1 <= 7 * 24
    assert file(f"{overview}.csv?what=funnel") == [
        ["step", "number"],
        ["opened", "4"],
        ["signed", "4"],
        ["confirmed", "3"],
        ["imported", "0"],
    ]
    assert admin.get(f"{overview}.csv?what=hour&span=90").status_code == 400
    assert admin.get(f"{overview}.csv?what=names").status_code == 400

    assert file("/staff/figures.csv?what=campaign") == [["campaign", "signatures"], [ITALY, "3"], [KENYA, "1"]]
    assert file("/staff/figures.csv?what=country")[1] == ["IT", "2"]
    assert rows(viewer.get("/staff/figures.csv?what=campaign").text)[1:] == [[KENYA, "1"]]
    assert rows(viewer.get("/staff/figures.csv?what=country").text)[1:] == [["KE", "1"]]

    compared = file(f"/staff/figures/compare.csv?campaign={ITALY}&campaign={KENYA}&span=7&numbers=all")
    assert set(compared[0]) == {"date", ITALY, KENYA}
    assert dict(zip(compared[0], compared[-1], strict=True)) == {"date": today, ITALY: "3", KENYA: "1"}
    assert rows(viewer.get(f"/staff/figures/compare.csv?campaign={ITALY}&campaign={KENYA}").text)[0] == ["date", KENYA]

    page = Page(admin.get(f"{overview}?span=7").text)
    table = page.one("table", id="days-table")
    assert [e["data-y"] for e in page.elements if e.has("data-y")][-1] == "3"
    assert table.words.endswith("3")
    for path in ("/staff/figures", "/staff/figures/compare?by=opening", f"{overview}?first=2026-01-01&last=2026-01-05"):
        assert admin.get(path).status_code == 200


@pytest.mark.one_database
def test_the_page_of_figures_reads_no_signature(counted: Site, sign_in: SignIn) -> None:
    admin = sign_in(StaffRole.ADMIN)
    seen: list[str] = []
    for engine in counted.app.extensions["database_of_requests"].values():
        sa.event.listen(engine, "before_cursor_execute", lambda _c, _u, text, *_more: seen.append(text))
    for path in ("/staff/figures?span=7", "/staff/figures/compare", f"/staff/campaigns/{ITALY}/overview?span=7"):
        admin.get(path)
    assert len(seen) > 10
    # What waits for a person is looked for along the index of states, and no further than MOST_COUNTED.
    asked = [text for text in seen if "FROM signatures" in text or "FROM submissions" in text]
    assert all("signatures.state = " in text and "LIMIT" in text for text in asked), asked


@pytest.mark.one_database
def test_what_waits_for_a_person_stands_on_the_first_page(site: Site, sign_in: SignIn) -> None:
    admin = sign_in(StaffRole.ADMIN)
    assert "Nothing. What needs a person" in admin.get("/staff/").text
    site.signed(email="a@example.org")
    site.signed(email="b@example.org")
    site.change(Signature, state=SignatureState.HELD)
    admin.post(f"/staff/campaigns/{ITALY}/letters/pause", data={"csrf_token": _token(admin.get("/staff/").text)})
    said = admin.get("/staff/").text
    assert "2 signatures are held" in said
    assert "Its letters are paused" in said
    assert "2 signatures are held" in admin.get(f"/staff/campaigns/{ITALY}/overview").text
    other = sign_in(StaffRole.VIEWER, KENYA).get("/staff/").text
    assert "2 signatures are held" not in other
    assert "Nothing. What needs a person" in other


def _token(text: str) -> str:
    return Page(text).value("csrf_token")


def test_many_that_wait_are_not_counted_to_the_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "MOST_COUNTED", 2)
    for n in range(5):
        site.signed(email=f"{n}@example.org")
    site.change(Signature, state=SignatureState.HELD)
    with site.app.app_context():
        db.reading()
        ids = list(db.session.scalars(sa.select(Campaign.id)))
        assert {id_: each.held for id_, each in attention.by_campaign(ids).items()} == {site.campaign().id: 3}


# ---------------------------------------------------------------- how often a page was opened


def test_opening_a_page_is_one_more_in_a_sum(site: Site) -> None:
    page = Page(site.client.get(f"/campaigns/{ITALY}").text)
    address = next(form["data-opened"] for form in page.all("form") if form.has("data-opened"))
    assert address == f"/campaigns/{ITALY}/opened"
    for n in range(5):
        answer = site.client.post(address, headers={"Sec-Fetch-Site": "same-origin"})
        assert (answer.status_code, answer.data) == (204, b"")
        assert "Set-Cookie" not in answer.headers
        opened = [row.number for row in site.stored(CountDay, CountDay.measure == Measure.OPENED)]
        assert opened == [1], f"the first is stored at once, {n} more wait for their turn"
    sums: Sums = site.app.extensions["opened"]
    sums.stored_at -= EVERY_SECONDS
    assert site.client.post(address).status_code == 204
    assert [row.number for row in site.stored(CountDay, CountDay.measure == Measure.OPENED)] == [6]

    assert site.client.post(address, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert site.client.post("/campaigns/spain-draft/opened").status_code == 404
    assert site.client.post("/campaigns/norway-won/opened").status_code == 204, "and is not counted: it is over"
    assert site.client.get(address).status_code == 405
    assert not sums.by_slug


def test_names_that_are_none_fill_no_memory() -> None:
    sums = Sums(stored_at=float("inf"))
    taken = [sums.add(f"no-{n}") for n in range(MOST_CAMPAIGNS + 5)]
    assert taken == [True] * MOST_CAMPAIGNS + [False] * 5
    assert len(sums.by_slug) == MOST_CAMPAIGNS


# ---------------------------------------------------------------- days, comparisons, goals


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ({}, "2026-03-02", "2026-03-31"),
        ({"span": "7"}, "2026-03-25", "2026-03-31"),
        ({"span": "all"}, "2026-01-15", "2026-03-31"),
        ({"span": "; drop"}, "2026-03-02", "2026-03-31"),
        ({"first": "2026-03-10", "last": "2026-03-12"}, "2026-03-10", "2026-03-12"),
        ({"first": "2026-03-10", "last": "2026-03-01"}, "2026-03-10", "2026-03-10"),
        ({"first": "2026-03-10", "last": "9999-01-01"}, "2026-03-10", "2026-03-31"),
        ({"first": "2026-03-10"}, "2026-03-10", "2026-03-31"),
        ({"first": "2026-99-10"}, "2026-03-02", "2026-03-31"),
        ({"first": "2030-01-01"}, "2026-03-31", "2026-03-31"),
    ],
)
def test_days_that_a_query_asks_for(query: dict[str, str], first: str, last: str) -> None:
    span = spans.asked_for(query, TODAY, dt.date(2026, 1, 15))
    assert (span.first.isoformat(), span.last.isoformat()) == (first, last)
    assert spans.asked_for({"first": "0001-01-01"}, TODAY, None).days <= spans.MOST_DAYS + 1
    assert spans.asked_for({"span": "all"}, TODAY, None).days == 1


@pytest.mark.parametrize(
    ("first", "last", "months"),
    [
        ("2026-01-01", "2026-03-31", ("2026-01-01", "2026-03-31")),
        ("2026-01-02", "2026-03-30", ("2026-02-01", "2026-02-28")),
        ("2025-12-31", "2026-01-31", ("2026-01-01", "2026-01-31")),
        ("2026-01-02", "2026-02-27", None),
        ("2026-01-31", "2026-01-31", None),
    ],
)
def test_years_are_summed_from_months(site: Site, first: str, last: str, months: tuple[str, str] | None) -> None:
    span = spans.Span(dt.date.fromisoformat(first), dt.date.fromisoformat(last))
    whole = span.whole_months()
    assert (whole and tuple(day.isoformat() for day in whole)) == months
    campaign_id = site.campaign().id
    with site.app.app_context():
        for n in range(-3, 100):
            counting.add_to_day(campaign_id, Measure.COUNTRY, dt.date(2026, 1, 1) + dt.timedelta(days=n), "IT", 1)
        db.session.commit()
        (part,) = numbers.parts(Measure.COUNTRY, [campaign_id], span)
        assert part.number == span.days


@pytest.mark.one_database
def test_campaigns_are_laid_over_each_other(site: Site) -> None:
    italy, kenya = site.campaign().id, site.campaign(KENYA).id
    with site.app.app_context():
        for id_, day, number in ((italy, 1, 5), (italy, 3, 2), (kenya, 3, 7), (kenya, 4, 1)):
            counting.add_to_day(id_, Measure.SOURCE, dt.date(2026, 3, day), "web", number)
        db.session.commit()
        begins = {italy: dt.date(2026, 3, 1), kenya: dt.date(2026, 3, 3)}
        span = spans.Span(dt.date(2026, 3, 2), dt.date(2026, 3, 4))
        by_date = numbers.compare(begins, span, since_opening=False, in_all=True)
        assert by_date.days == span.each_day()
        assert by_date.numbers == {italy: [5, 7, 7], kenya: [None, 7, 8]}
        by_opening = numbers.compare(begins, span, since_opening=True, in_all=False)
        assert list(by_opening.days) == [0, 1, 2]
        assert by_opening.numbers == {italy: [5, 0, 2], kenya: [7, 1, None]}


@pytest.mark.one_database
def test_when_the_goal_is_reached_at_this_pace(site: Site) -> None:
    campaign = site.campaign()
    with site.app.app_context():
        assert goals.reached_on(campaign, 10, TODAY) is None, "nobody signs, so nobody can say"
        for day in (24, 30):
            counting.add_to_day(campaign.id, Measure.SOURCE, dt.date(2026, 3, day), "web", 7)
        counting.add_to_day(campaign.id, Measure.SOURCE, TODAY, "web", 50)
        db.session.commit()
        assert campaign.goal == 100
        assert goals.reached_on(campaign, 90, TODAY) == dt.date(2026, 4, 5), "ten more, at two a day"
        assert goals.reached_on(campaign, 100, TODAY) is None
