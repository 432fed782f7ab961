"""Every public page, narrow and wide: axe finds nothing, nothing runs off the side, no cookie, no stranger.

What `Visitor` looks for on the way: errors in the console, and requests that leave the site.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Error

from tests.journeys.browser import INDIA, ITALY, NARROW, WIDE, Visitor, World, world

pytestmark = pytest.mark.browser

CLOSED = "united-states-justice-for-victims"

# path → status
PAGES = {
    "/": 200,
    "/programs/stop-sex-trafficking": 200,
    "/programs/stop-sex-trafficking?lang=it": 200,
    f"/campaigns/{ITALY}": 200,
    f"/campaigns/{ITALY}?lang=it": 200,
    f"/campaigns/{INDIA}?lang=hi": 200,
    f"/campaigns/{CLOSED}": 200,
    "/campaigns/france-shift-the-burden": 200,
    f"/campaigns/{ITALY}/thanks": 200,
    f"/campaigns/{INDIA}/thanks?lang=hi": 200,
    "/archive": 200,
    "/archive?outcome=won&country=IT": 200,
    "/updates": 200,
    "/updates/india-one-year-on": 200,
    "/stories/in-their-own-time": 200,
    "/nothing-here": 404,
}


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("pages")) as running:
        yield running


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_anyone_can_open(on: World, path: str) -> None:
    with on.visitor() as ann:
        ann.go(path, PAGES[path])
        ann.check()


@pytest.mark.parametrize(("slug", "lang"), [(ITALY, ""), (INDIA, "hi")])
def test_a_form_with_errors_and_the_preview(on: World, slug: str, lang: str) -> None:
    with on.visitor() as ann:
        page = ann.go(f"/campaigns/{slug}" + (f"?lang={lang}" if lang else ""))
        ann.fill_sign_form(name="<Ann>", email="ann@example", postcode="=00184", comment="A sentence.")
        with page.expect_navigation():
            page.locator('.sign-form button[formaction*="/preview"]').click()
        assert page.locator(".error-summary a").count() == 4
        ann.check()
        ann.fill_sign_form(name="Ann Example", email="ann@example.org", postcode="00184", country="IT")
        with page.expect_navigation():
            page.locator('.sign-form button[formaction*="/preview"]').click()
        assert len(ann.letters()) == 3
        ann.check()


def test_the_pages_behind_the_link_of_a_mail(on: World) -> None:
    with on.visitor() as ann:
        ann.sign(ITALY, "Ann Example", "ann-pages@example.org", show_name=True)
        ann.open_mail("ann-pages@example.org")
        ann.page.locator(".mail-headers summary").click()
        ann.check()
        ann.go("/dev/mail/")
        ann.check()
        path = ann.open_link_of_mail("ann-pages@example.org")
        ann.check()
        ann.press("Confirm my signature")
        ann.check()
        ann.go(path)
        ann.follow("Withdraw my signature")
        ann.check()
        ann.press("Withdraw my signature")
        ann.check()
        ann.go(path, 410)
        assert "You have withdrawn this signature." in ann.page.locator("main").inner_text()
        ann.check()


def test_the_page_of_one_who_did_not_sign(on: World) -> None:
    with on.visitor() as ann:
        ann.sign(INDIA, "Somebody Else", "ann-refuses@example.org", lang="hi")
        path = ann.open_link_of_mail("ann-refuses@example.org")
        ann.check()
        with ann.page.expect_navigation():
            ann.page.locator('button[value="refuse"]').click()
        assert ann.page.get_by_role("button").count() == 0
        ann.check()
        ann.go(path, 410)
        ann.check()


def test_signing_what_has_closed(on: World) -> None:
    """A form that stood open in a tab while its campaign ended."""
    with on.visitor() as ann:
        page = ann.go(f"/campaigns/{ITALY}")
        ann.fill_sign_form(name="Ann Example", email="ann-late@example.org", country="IT")
        page.check("#consent")
        page.locator(".sign-form").evaluate("(form, slug) => { form.action = `/campaigns/${slug}/sign`; }", CLOSED)
        ann.press("Sign now", 410)
        ann.check()


def test_the_checks_find_what_they_look_for(on: World) -> None:
    """A check that never fails proves nothing: each is shown a page with its fault."""
    faults = {
        "image-alt": "document.querySelector('main').append(new Image())",
        "px wide": "document.querySelector('h1').style.width = '1500px'",
        "color-contrast": "document.querySelector('h1').style.color = '#eee'",
        "no outline": "document.querySelector('.site-name').style.outline = 'none'",
        "out of sight": "document.querySelector('.site-header').style.marginInlineStart = '-2000px'",
    }
    for name, script in faults.items():
        with on.visitor() as ann:
            ann.go("/").evaluate(script)
            with pytest.raises(AssertionError, match=name):
                ann.walk_with_tab() if name in ("no outline", "out of sight") else ann.check()
    with pytest.raises(AssertionError, match="flavour"), on.visitor() as ann:
        ann.go("/").evaluate("document.cookie = 'flavour=oat'")
    with pytest.raises(AssertionError, match=r"http://localhost:9/pixel"), on.visitor() as ann:
        _embed_a_stranger(ann)
    with pytest.raises(AssertionError, match=r"asks http://127\.0\.0\.1:9/"), on.visitor() as ann:
        _walk_away(ann)


def _embed_a_stranger(ann: Visitor) -> None:
    """What a page embeds is stopped by its policy, which says so in the console."""
    ann.go("/").evaluate("new Image().src = 'http://localhost:9/pixel.png'")
    ann.page.wait_for_timeout(200)


def _walk_away(ann: Visitor) -> None:
    with pytest.raises(Error, match="ERR_"):
        ann.page.goto("http://127.0.0.1:9/")


# ---------------------------------------------------------------- keyboard


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("path", ["/", f"/campaigns/{ITALY}", "/archive", "/programs/stop-sex-trafficking?lang=it"])
def test_tab_goes_through_all_of_a_page(on: World, path: str, width: int) -> None:
    """The way to the content comes first; each stop can be seen, and nothing lies over it."""
    with on.visitor(width=width) as ann:
        page = ann.go(path)
        page.keyboard.press("Tab")
        first = page.locator(":focus")
        assert first.get_attribute("href") == "#main"
        box = first.bounding_box()
        assert box is not None
        assert box["y"] >= 0, "the link to the content shows itself"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        ann.go(path)
        ids = ann.walk_with_tab()
        if "/campaigns/" in path:
            fields = ["name", "email", "country", "postcode", "comment", "show_name", "updates", "consent"]
            assert [id_ for id_ in ids if id_ in fields] == fields
            assert "website" not in ids, "what people do not see is not on their way"


def test_signing_with_the_keyboard_alone(on: World) -> None:
    with on.visitor() as ann:
        page = ann.go(f"/campaigns/{ITALY}")
        _tab_to(ann, "name")
        page.keyboard.type("Ann Keys")
        _tab_to(ann, "email")
        page.keyboard.type("ann-keys@example")
        _tab_to(ann, "country")
        page.keyboard.type("Switz")
        _tab_to(ann, "comment")
        page.keyboard.type("With the keyboard.")
        _tab_to(ann, "consent")
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator(".error-summary").evaluate("it => it === document.activeElement")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "email"
        page.keyboard.press("Control+A")
        page.keyboard.type("ann-keys@example.org")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert ann.path() == f"/campaigns/{ITALY}/thanks"

        ann.open_link_of_mail("ann-keys@example.org")
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.locator(":focus").inner_text() == "Confirm my signature":
                break
        with page.expect_navigation():
            page.keyboard.press("Space")
        assert ann.heading() == "Thank you. Your signature counts."


def _tab_to(ann: Visitor, id_: str) -> None:
    for _ in range(60):
        ann.page.keyboard.press("Tab")
        if ann.page.evaluate("document.activeElement.id") == id_:
            return
    raise AssertionError(f"Tab does not come to {id_}")
