"""What the public reads: home, programs, campaigns in their time, archive, news, and what machines read."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from werkzeug.test import TestResponse

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignState, Official, Phase, Update
from tests.conftest import MakeApp, sign_form
from tests.signing.site import ITALY, Site
from tests.structure.page import Page

pytestmark = pytest.mark.one_database

only_sqlite = pytest.mark.one_database

BASE = "http://127.0.0.1:8000"
PUBLIC = [
    "/",
    "/programs/clean-water",
    f"/campaigns/{ITALY}",
    f"/campaigns/{ITALY}?lang=it",
    "/campaigns/norway-won",
    f"/campaigns/{ITALY}/thanks",
    f"/campaigns/{ITALY}/count.json",
    "/archive",
    "/updates",
    "/updates/first-well",
    "/stories/river-people",
    "/feed.atom",
    "/sitemap.xml",
    "/robots.txt",
]


def words(answer: TestResponse) -> str:
    return Page(answer.text).one("body").words


def links(answer: TestResponse) -> dict[str, str]:
    """The path of each link → its words."""
    return {a["href"]: a.words for a in Page(answer.text).all("a")}


# ---------------------------------------------------------------- home and programs


def test_home_lists_programs_and_what_is_open(site: Site) -> None:
    found = links(site.client.get("/"))
    assert found["/programs/clean-water"] == "Clean water"
    assert found[f"/campaigns/{ITALY}"] == "ITALY: Protect the springs"
    assert found["/updates/first-well"] == "The first well is tested"
    assert "/campaigns/norway-won" not in found, "it has ended"
    assert "/campaigns/spain-draft" not in found


def test_a_program_shows_all_that_is_its_own(site: Site) -> None:
    answer = site.client.get("/programs/clean-water")
    found = links(answer)
    named = {path: text for path, text in found.items() if path.startswith("/campaigns/")}
    assert {path: text for path, text in named.items() if path.count("/") == 2} == {
        "/campaigns/india-water": "INDIA: Test every well",
        f"/campaigns/{ITALY}": "ITALY: Protect the springs",
        "/campaigns/kenya-petition": "KENYA: Count the boreholes",
    }
    for text in ("Water is a right and not a favour.", "A saying", "Every village should be able to drink"):
        assert text in words(answer)
    assert found["/updates/first-well"] == "The first well is tested"
    assert found["/stories/river-people"] == "River people"
    assert found["https://www.example.org/right"] == "The right to water"
    assert found["https://www.example.org/rivers"] == "Rivers alliance"
    assert "/archive?program=clean-water" in found


def test_demands_are_in_the_language_of_the_page(site: Site) -> None:
    found = links(site.client.get("/programs/clean-water?lang=it"))
    assert found[f"/campaigns/{ITALY}?lang=it"] == "ITALIA: Proteggere le sorgenti"
    assert found["/campaigns/kenya-petition"] == "KENYA: Count the boreholes", "it has no Italian"


@pytest.mark.parametrize("path", ["/programs/none", "/updates/none", "/stories/none", "/programs/../x", "/programs/"])
def test_what_does_not_exist_is_404(site: Site, path: str) -> None:
    assert site.client.get(path).status_code == 404


# ---------------------------------------------------------------- a campaign and its time


def test_a_campaign_shows_officials_and_never_their_addresses(site: Site) -> None:
    text = site.client.get(f"/campaigns/{ITALY}").text
    for official in site.stored(Official):
        assert official.email not in text
        assert (official.postal_address or "?") not in text
    for name in ("The Minister of Water", "The Minister of Health", "The Association of Towns"):
        assert name in text


def test_each_language_has_its_own_address(site: Site) -> None:
    page = Page(site.client.get(f"/campaigns/{ITALY}?lang=it").text)
    assert page.one("h1").words == "Proteggere le sorgenti"
    alternates = {e["hreflang"]: e["href"] for e in page.all("link", rel="alternate") if e.has("hreflang")}
    own, italian = f"{BASE}/campaigns/{ITALY}", f"{BASE}/campaigns/{ITALY}?lang=it"
    assert alternates == {"en": own, "it": italian, "x-default": own}
    assert page.one("link", rel="canonical")["href"] == italian


def test_a_closed_campaign_stays_readable_without_its_form(site: Site) -> None:
    answer = site.client.get("/campaigns/norway-won")
    assert answer.status_code == 200
    assert Page(answer.text).all("form") == []
    assert "closed on March 31, 2021" in words(answer)
    assert "was won" in words(answer)
    assert site.client.get("/campaigns/norway-won/thanks").status_code == 200


def test_a_campaign_to_come_says_when(site: Site) -> None:
    opens_on = dt.date(2999, 5, 1)
    site.change(Campaign, Campaign.slug == ITALY, opens_on=opens_on)
    answer = site.client.get(f"/campaigns/{ITALY}")
    assert answer.status_code == 200
    assert Page(answer.text).all("form") == []
    assert "May 1, 2999" in words(answer)
    assert site.client.post(f"/campaigns/{ITALY}/sign", data=sign_form()).status_code == 410
    count = site.client.get(f"/campaigns/{ITALY}/count.json").json
    assert count is not None
    assert count["state"] == "upcoming"
    assert "Opens on May 1, 2999" in words(site.client.get("/"))


@only_sqlite
@pytest.mark.parametrize(
    ("zone", "last_day", "moment", "phase"),
    [
        ("Europe/Rome", "2026-03-31", "2026-03-31T21:59:59+00:00", Phase.OPEN),
        ("Europe/Rome", "2026-03-31", "2026-03-31T22:00:00+00:00", Phase.CLOSED),
        ("Europe/Rome", "2026-01-31", "2026-01-31T22:59:59+00:00", Phase.OPEN),
        ("Europe/Rome", "2026-01-31", "2026-01-31T23:00:00+00:00", Phase.CLOSED),
        ("Europe/Rome", "2026-03-29", "2026-03-29T21:59:59+00:00", Phase.OPEN),
        ("Europe/Rome", "2026-03-29", "2026-03-29T22:00:00+00:00", Phase.CLOSED),
        ("Europe/Rome", "2026-10-25", "2026-10-25T22:59:59+00:00", Phase.OPEN),
        ("Europe/Rome", "2026-10-25", "2026-10-25T23:00:00+00:00", Phase.CLOSED),
        ("Asia/Kolkata", "2026-01-31", "2026-01-31T18:29:59+00:00", Phase.OPEN),
        ("Asia/Kolkata", "2026-01-31", "2026-01-31T18:30:00+00:00", Phase.CLOSED),
        ("Pacific/Kiritimati", "2026-01-31", "2026-01-31T10:00:00+00:00", Phase.CLOSED),
        ("Pacific/Pago_Pago", "2026-01-31", "2026-02-01T10:59:59+00:00", Phase.OPEN),
        ("Asia/Beirut", "2024-03-30", "2024-03-30T21:59:59+00:00", Phase.OPEN),
        ("Asia/Beirut", "2024-03-30", "2024-03-30T22:00:00+00:00", Phase.CLOSED),
    ],
)
def test_the_last_day_is_a_whole_day_in_its_zone(
    site: Site, zone: str, last_day: str, moment: str, phase: Phase
) -> None:
    """Summer time included: on its last night, on the day that has 23 hours and on the one that has 25."""
    site.change(Campaign, Campaign.slug == ITALY, timezone=zone, closes_on=dt.date.fromisoformat(last_day))
    at = dt.datetime.fromisoformat(moment)
    campaign = site.campaign()
    assert campaign.phase(at) is phase
    assert campaign.closed_on == dt.date.fromisoformat(last_day)
    assert campaign.can_confirm(at)
    assert not campaign.can_confirm(at + dt.timedelta(days=2))


@only_sqlite
@pytest.mark.parametrize(
    ("zone", "moment", "phase"),
    [
        ("Europe/Rome", "2026-05-31T21:59:59+00:00", Phase.UPCOMING),
        ("Europe/Rome", "2026-05-31T22:00:00+00:00", Phase.OPEN),
        ("America/New_York", "2026-06-01T03:59:59+00:00", Phase.UPCOMING),
        ("America/New_York", "2026-06-01T04:00:00+00:00", Phase.OPEN),
    ],
)
def test_the_first_day_begins_in_its_zone(site: Site, zone: str, moment: str, phase: Phase) -> None:
    site.change(Campaign, Campaign.slug == ITALY, timezone=zone, opens_on=dt.date(2026, 6, 1))
    assert site.campaign().phase(dt.datetime.fromisoformat(moment)) is phase


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Rome"])
@pytest.mark.parametrize(("days", "status"), [(0, 303), (-1, 410)])
def test_today_is_the_day_of_the_zone(site: Site, zone: str, days: int, status: int) -> None:
    today = db.now().astimezone(ZoneInfo(zone)).date()
    site.change(Campaign, Campaign.slug == ITALY, timezone=zone, closes_on=today + dt.timedelta(days=days))
    assert site.sign().status_code == status
    forms = Page(site.client.get(f"/campaigns/{ITALY}").text).of_class("sign-form")
    assert len(forms) == (status == 303)


def test_what_the_clock_has_closed_leaves_home_for_the_archive(site: Site) -> None:
    site.change(Campaign, Campaign.slug == ITALY, closes_on=dt.date(2025, 2, 28))
    assert f"/campaigns/{ITALY}" not in links(site.client.get("/"))
    assert f"/campaigns/{ITALY}" in links(site.client.get("/archive"))
    assert "February 28, 2025" in words(site.client.get(f"/campaigns/{ITALY}"))


DRAFTS = ["", "?lang=en", "/thanks", "/count.json"]


@pytest.mark.parametrize("route", DRAFTS)
def test_a_draft_is_nowhere(site: Site, route: str) -> None:
    assert site.client.get(f"/campaigns/spain-draft{route}").status_code == 404
    assert site.client.post("/campaigns/spain-draft/sign", data=sign_form()).status_code == 404
    for path in PUBLIC:
        assert "spain-draft" not in site.client.get(path).text, path


def test_news_of_a_draft_is_no_news(site: Site) -> None:
    site.change(Campaign, Campaign.slug == "india-water", state=CampaignState.DRAFT)
    assert site.client.get("/updates/first-well").status_code == 404
    for path in ("/", "/updates", "/programs/clean-water", "/feed.atom", "/sitemap.xml"):
        assert "first-well" not in site.client.get(path).text, path


# ---------------------------------------------------------------- archive


@pytest.fixture
def archive(site: Site) -> Site:
    """Three that have ended: Norway won in 2021, Kenya lost in 2023, India ended in 2023."""
    for slug, outcome in (("kenya-petition", "lost"), ("india-water", None)):
        site.change(
            Campaign,
            Campaign.slug == slug,
            state=CampaignState.CLOSED,
            outcome=outcome,
            closes_on=dt.date(2023, 12, 31),
        )
    return site


def archived(site: Site, query: str) -> set[str]:
    answer = site.client.get(f"/archive?{query}")
    assert answer.status_code == 200
    (main,) = Page(answer.text).all("main")
    page = Page(answer.text)
    hrefs = [a["href"] for a in page.all("a") if any(e.tag == "main" for e in a.inside)]
    assert main.words
    return {h.removeprefix("/campaigns/").partition("?")[0] for h in hrefs if h.startswith("/campaigns/")}


ALL = {"norway-won", "kenya-petition", "india-water"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ALL),
        ("program=clean-water", ALL),
        ("program=other", set()),
        ("country=NO", {"norway-won"}),
        ("country=no", {"norway-won"}),
        ("year=2023", {"kenya-petition", "india-water"}),
        ("year=2021&outcome=won", {"norway-won"}),
        ("outcome=lost", {"kenya-petition"}),
        ("outcome=ended", {"india-water"}),
        ("country=KE&year=2021", set()),
        ("program=&country=&year=&outcome=", ALL),
        ("page=-1&sort=x", ALL),
    ],
)
def test_the_archive_keeps_what_is_asked_for(archive: Site, query: str, expected: set[str]) -> None:
    assert archived(archive, query) == expected


@pytest.mark.parametrize(
    "query",
    [
        *("country='+OR+1=1--", "year=-1", "year=1e999", "outcome=%25", "program=_", "country=" + "x" * 5_000),
        *("year=%F0%9F%95%8A", "program[]=x", "country=NO%0d%0aSet-Cookie:x", "outcome=<script>"),
    ],
)
def test_junk_in_the_filter_finds_nothing_and_breaks_nothing(archive: Site, query: str) -> None:
    answer = archive.client.get(f"/archive?{query}")
    assert answer.status_code == 200
    assert "<script>" not in answer.text.replace("<script src", "")
    assert answer.headers.get("Set-Cookie") is None


def test_the_archive_says_how_each_ended(archive: Site) -> None:
    text = words(archive.client.get("/archive"))
    for said in ("Won", "Lost", "Ended without a result", "March 31, 2021", "December 31, 2023"):
        assert said in text


# ---------------------------------------------------------------- for machines

ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
XHTML = "{http://www.w3.org/1999/xhtml}"


def test_the_feed_is_atom(site: Site) -> None:
    answer = site.client.get("/feed.atom")
    assert answer.mimetype == "application/atom+xml"
    feed = ET.fromstring(answer.data)
    assert feed.tag == f"{ATOM}feed"
    for name in ("id", "title", "updated", "author"):
        assert feed.find(f"{ATOM}{name}") is not None, f"RFC 4287 wants {name}"
    (entry,) = feed.findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}title") == "The first well is tested"
    link = entry.find(f"{ATOM}link")
    assert link is not None
    assert link.attrib["href"] == f"{BASE}/updates/first-well"
    assert "<p>One down.</p>" in (entry.findtext(f"{ATOM}content") or "")
    assert dt.datetime.fromisoformat(str(entry.findtext(f"{ATOM}updated")).replace("Z", "+00:00")).tzinfo
    assert str(entry.findtext(f"{ATOM}id")).startswith("urn:")


def test_the_feed_survives_any_text(site: Site) -> None:
    site.change(Update, title="<b>&]]> \"quoted\" 'x'", body="a & b < c ]]> <script>alert(1)</script>")
    feed = ET.fromstring(site.client.get("/feed.atom").data)
    assert feed.findtext(f"{ATOM}entry/{ATOM}title") == "<b>&]]> \"quoted\" 'x'"
    assert "<script>" not in str(feed.findtext(f"{ATOM}entry/{ATOM}content"))


def test_the_sitemap_names_every_page_in_every_language(site: Site) -> None:
    answer = site.client.get("/sitemap.xml")
    urls = ET.fromstring(answer.data).findall(f"{SITEMAP}url")
    places = [str(url.findtext(f"{SITEMAP}loc")) for url in urls]
    assert len(places) == len(set(places))
    for path in ("/", f"/campaigns/{ITALY}", f"/campaigns/{ITALY}?lang=it", "/campaigns/norway-won", "/archive"):
        assert f"{BASE}{path}" in places
    for place in places:
        assert site.client.get(place.removeprefix(BASE)).status_code == 200, place
    (italian,) = [url for url in urls if url.findtext(f"{SITEMAP}loc") == f"{BASE}/campaigns/{ITALY}?lang=it"]
    alternates = {e.attrib["hreflang"]: e.attrib["href"] for e in italian.findall(f"{XHTML}link")}
    own = f"{BASE}/campaigns/{ITALY}"
    assert alternates == {"en": own, "it": f"{own}?lang=it", "x-default": own}


def test_robots_are_told_where_not_to_go(site: Site) -> None:
    lines = site.client.get("/robots.txt").text.splitlines()
    for line in ("User-agent: *", "Disallow: /confirm/", "Disallow: /withdraw/", f"Sitemap: {BASE}/sitemap.xml"):
        assert line in lines


def test_healthz_says_ok_and_how_old_the_queue_is(site: Site) -> None:
    site.sign()
    answer = site.client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["status"] == "ok"
    assert 0 <= answer.json["mail"]["oldest_due_seconds"] < 60
    assert answer.headers["Cache-Control"] == "no-store"


# ---------------------------------------------------------------- caches and headers


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page_is_for_any_cache(site: Site, path: str) -> None:
    first = site.client.get(path)
    assert first.status_code == 200
    assert "public" in first.headers["Cache-Control"]
    assert "max-age=" in first.headers["Cache-Control"]
    assert first.headers.getlist("Set-Cookie") == []
    assert "Cookie" not in first.headers.get("Vary", "")
    assert first.headers["ETag"]
    again = site.client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    if not path.endswith("count.json"):  # it holds the moment
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]


@only_sqlite
@pytest.mark.parametrize("path", [path for path in PUBLIC if not path.endswith(".json")])
@pytest.mark.parametrize(
    "headers", [{"Cookie": "actionkit=forged; x=y"}, {"Accept-Language": "it"}, {"Host": "evil.example"}]
)
def test_a_public_page_is_the_same_for_everyone(site: Site, path: str, headers: dict[str, str]) -> None:
    plain = site.app.test_client(use_cookies=False).get(path)
    other = site.app.test_client(use_cookies=False).get(path, headers=headers)
    assert (other.status_code, other.data) == (200, plain.data)
    assert other.headers.getlist("Set-Cookie") == []


def test_a_change_is_a_new_etag(site: Site) -> None:
    before = site.client.get(f"/campaigns/{ITALY}").headers["ETag"]
    site.change(Campaign, Campaign.slug == ITALY, goal=12345)
    answer = site.client.get(f"/campaigns/{ITALY}", headers={"If-None-Match": before})
    assert answer.status_code == 200
    assert "12,345" in answer.text


@only_sqlite
@pytest.mark.parametrize("path", [*PUBLIC, "/no-such-page", "/healthz", "/confirm/forged"])
def test_every_answer_has_the_headers_that_protect(site: Site, path: str) -> None:
    headers = site.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"]
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "Strict-Transport-Security" not in headers, "over plain http it means nothing"
    assert "Server" not in headers
    assert "X-Powered-By" not in headers


@only_sqlite
def test_over_https_browsers_are_told_to_stay(make_app: MakeApp) -> None:
    client = make_app(base_url="https://act.example").test_client()
    assert "max-age=" in client.get("/").headers["Strict-Transport-Security"]


@pytest.mark.parametrize("path", ["/", f"/campaigns/{ITALY}", "/archive"])
@pytest.mark.parametrize("lang", ["xx", "../de", "a" * 5_000, "it'--"])
def test_an_unknown_language_is_the_default(site: Site, path: str, lang: str) -> None:
    assert site.client.get(path, query_string={"lang": lang}).data == site.client.get(path).data
