"""Every page is built as readers of every kind need it: one h1, unique ids, labelled fields, a language."""

from __future__ import annotations

from itertools import pairwise

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from actionkit.signing.models import Signature
from actionkit.staff.models import StaffRole
from tests.conftest import sign_form
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn
from tests.structure.page import Page

PUBLIC = [
    "/",
    "/programs/clean-water",
    f"/campaigns/{ITALY}",
    "/campaigns/india-water",
    "/campaigns/kenya-petition",
    "/campaigns/norway-won",
    f"/campaigns/{ITALY}/thanks",
    "/archive",
    "/archive?country=XX",
    "/updates",
    "/updates/first-well",
    "/stories/river-people",
    "/no-such-page",
    "/campaigns/no-such-campaign",
]
TRANSLATED = [f"{path}{'&' if '?' in path else '?'}lang={lang}" for path in PUBLIC for lang in ("it", "hi", "xx")]
DESK = [
    "/staff/",
    "/staff/password",
    "/staff/account",
    "/staff/account/again",
    "/staff/account/codes",
    "/staff/account/passkeys",
    "/staff/people",
    "/staff/people/1",
    "/staff/audit",
    f"/staff/campaigns/{ITALY}/signatures",
    f"/staff/campaigns/{ITALY}/signatures?state=held",
    f"/staff/campaigns/{ITALY}/letters",
    f"/staff/campaigns/{ITALY}/removals",
    f"/staff/campaigns/{ITALY}/removals/new",
    f"/staff/campaigns/{ITALY}/review",
    f"/staff/campaigns/{ITALY}/edit",
    f"/staff/campaigns/{ITALY}/course",
    "/staff/campaigns/norway-won/course",
    "/staff/campaigns/spain-draft/course",
    f"/staff/campaigns/{ITALY}/versions/1",
    f"/staff/campaigns/{ITALY}/updates/new",
    "/staff/campaigns/new",
    "/staff/programs",
    "/staff/programs/clean-water",
    f"/staff/campaigns/{ITALY}/review/twins",
    "/staff/review/providers",
    "/staff/officials",
    "/staff/officials?q=nobody",
    "/staff/officials/new",
    "/staff/officials/import",
    "/staff/officials/it-water",
    "/staff/officials/it-water/edit",
    "/staff/officials/it-water/retire",
    "/staff/incoming",
    "/staff/incoming?state=handled",
    "/staff/figures?span=7",
    "/staff/figures/compare",
    f"/staff/campaigns/{ITALY}/overview?span=7",
]


def check(answer: TestResponse) -> Page:
    """What holds on every page; the page, for what holds on this one."""
    assert answer.mimetype == "text/html"
    assert answer.text.lower().startswith("<!doctype html>")
    page = Page(answer.text)
    assert len(page.all("h1")) == 1, f"{len(page.all('h1'))} h1"
    assert page.one("h1").words, "the h1 is empty"
    assert page.one("title").words.strip(" ·"), "the title is empty"
    assert page.one("html")["lang"], "the page names no language"
    assert page.one("html")["dir"] in ("ltr", "rtl")
    assert len(page.all("main")) == 1
    ids = [element["id"] for element in page.elements if element.has("id")]
    assert sorted(ids) == sorted(set(ids)), "an id stands twice"
    assert "" not in ids
    check_fields(page)
    check_headings(page)
    check_references(page, set(ids))
    return page


def check_fields(page: Page) -> None:
    labelled = {label["for"] for label in page.all("label") if label.words}
    for control in page.elements:
        if control.tag not in ("input", "select", "textarea") or control["type"] in ("hidden", "submit"):
            continue
        is_labelled = control["id"] in labelled or control["aria-label"] or control["aria-labelledby"]
        assert is_labelled, f"the field {control['name']} has no label"
    for button in page.all("button"):
        assert button.words or button["aria-label"], "a button without words"
    for link in page.all("a"):
        assert link.words or link["aria-label"], f"a link without words to {link['href']}"
    for image in page.all("img"):
        assert image.has("alt"), f"an image without alt: {image['src']}"


def check_headings(page: Page) -> None:
    levels = [int(e.tag[1]) for e in page.elements if e.tag in ("h1", "h2", "h3", "h4", "h5", "h6")]
    for before, after in pairwise(levels):
        assert after <= before + 1, f"an h{after} follows an h{before}"


def check_references(page: Page, ids: set[str]) -> None:
    for element in page.elements:
        for name in ("aria-labelledby", "aria-describedby", "aria-controls", "for"):
            missing = set(element[name].split()) - ids
            assert not missing, f"{name} of <{element.tag}> names {missing}, which is not there"
        if element.tag == "a" and element["href"].startswith("#"):
            assert element["href"][1:] in ids, f"a link to {element['href']}, which is not there"


@pytest.fixture
def full(site: Site) -> Site:
    """With a signature that is shown and counted."""
    site.confirmed(show_name="yes", name="Shown Person", comment="<b>&", lang="it")
    site.drain()
    return site


only_sqlite = pytest.mark.one_database


@only_sqlite
@pytest.mark.parametrize("path", [*PUBLIC, *TRANSLATED])
def test_public_pages(full: Site, path: str) -> None:
    page = check(full.client.get(path))
    for tag, attribute in (("script", "src"), ("link", "href"), ("img", "src"), ("form", "action")):
        foreign = [e[attribute] for e in page.all(tag) if e[attribute].startswith(("http", "//"))]
        own = full.app.config["ACTIONKIT"].base_url
        assert [url for url in foreign if not url.startswith(f"{own}/")] == [], "only our own server is asked"
    assert [e for e in page.all("script") if e.text.strip()] == [], "no script stands in the page"
    assert [e for e in page.elements if any(name.startswith("on") for name in e.attributes)] == []


@only_sqlite
@pytest.mark.parametrize("lang", ["", "it"])
def test_pages_of_a_signature(full: Site, lang: str) -> None:
    query = {"lang": lang} if lang else {}
    client = full.client
    submission = full.signed(lang=lang)
    pending, counted = full.confirm_path(submission), full.stored(Signature)[0]
    check(full.sign(lang=lang, name="", email="x", country="", consent=None, comment="\x07"))
    check(client.post(f"/campaigns/{ITALY}/preview", data=sign_form(), query_string=query))
    check(client.get(pending))
    check(client.post(pending))
    check(client.post(pending))
    check(client.get(full.withdraw_path(counted)))
    check(client.post(full.withdraw_path(counted)))
    check(client.get(full.withdraw_path(counted)))
    check(client.post(full.confirm_path(full.signed(lang=lang)), data={"decision": "refuse"}))
    check(client.get("/confirm/forged"))
    check(client.post("/campaigns/norway-won/sign", data=sign_form(), query_string=query))


@only_sqlite
def test_pages_of_the_desk(full: Site, sign_in: SignIn) -> None:
    check(full.app.test_client().get("/staff/sign-in"))
    client: FlaskClient = sign_in(StaffRole.ADMIN)
    for path in DESK:
        page = check(client.get(path))
        assert page.all("meta", name="robots")[0]["content"] == "noindex"
    (link, *_more) = [
        a["href"]
        for a in Page(client.get(f"/staff/campaigns/{ITALY}/letters").text).all("a")
        if "/letters/" in a["href"]
    ]
    check(client.get(link))
    check(client.get("/staff/campaigns/unknown/letters"))


@only_sqlite
def test_every_link_of_a_public_page_leads_somewhere(full: Site) -> None:
    seen, waiting = set(), ["/"]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = full.client.get(path)
        assert answer.status_code == 200, f"a link leads to {path}, which is {answer.status_code}"
        if answer.mimetype != "text/html":
            continue
        hrefs = [a["href"].partition("#")[0] for a in Page(answer.text).all("a")]
        waiting += [h for h in set(hrefs) if h.startswith("/") and h not in seen and h not in waiting]
    assert {"/archive", "/updates/first-well", "/campaigns/norway-won"} <= seen, "home leads to all of it"
