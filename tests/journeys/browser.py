"""A person with a browser: Chromium on the product as it is shipped, and what no page may do to her."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from actionkit import create_app, db
from config import Config
from tests.journeys.product import ROOT, Product, product, wait_until

ITALY = "italy-prevent-sex-trafficking"
INDIA = "india-protect-trafficking-victims"
NARROW, WIDE = 360, 1280

AXE, AXE_IN_PLACE = Axe(), Axe("0")
"""Axe, and Axe where the page at hand has its script already."""
AXE_OPTIONS = {"resultTypes": ["violations"], "preload": False, "rules": {"target-size": {"enabled": True}}}

# What the focused element looks like: is it drawn as focused, is it on the screen, is it on top?
FOCUSED = """() => {
    const it = document.activeElement;
    const style = getComputedStyle(it);
    const box = it.getBoundingClientRect();
    const inside = (x, y) => x >= 0 && y >= 0 && x < innerWidth && y < innerHeight;
    const points = [[box.left + 4, box.top + 4], [box.left + box.width / 2, box.top + box.height / 2]];
    const on_top = points.some(([x, y]) => {
        const top = inside(x, y) && document.elementFromPoint(x, y);
        return top && (it.contains(top) || top.contains(it) || [...(it.labels ?? [])].some((l) => l.contains(top)));
    });
    return {
        name: `${it.tagName.toLowerCase()}#${it.id} ${it.textContent.trim().slice(0, 40)}`,
        id: it.id,
        is_body: it === document.body,
        is_outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        is_in_view: on_top,
    };
}"""


@dataclass
class Visitor:
    """One person: her browser's page, and the faults that were seen on the way."""

    site: Product
    context: BrowserContext
    page: Page
    faults: list[str] = field(default_factory=list)
    documents: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(10_000)
        self.context.on("request", self._look_at_request)
        self.page.on("console", self._look_at_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))

    def _look_at_request(self, request: Request) -> None:
        if request.is_navigation_request():
            self.documents.add(request.url)
        if not request.url.startswith((f"{self.site.base_url}/", "data:")):
            self.faults.append(f"{self.page.url} asks {request.url}")

    def _look_at_console(self, message: ConsoleMessage) -> None:
        # That a page was answered with 404 or 422 is no fault of the page.
        is_status_of_page = message.text.startswith("Failed to load resource") and (
            message.location["url"] in self.documents
        )
        if message.type in ("error", "warning") and not is_status_of_page:
            self.faults.append(f"{self.page.url}: {message.text}")

    # ------------------------------------------------------------ doing

    def go(self, path: str, status: int = 200) -> Page:
        response = self.page.goto(path if "://" in path else f"{self.site.base_url}{path}")
        assert response is not None
        assert response.status == status, path
        return self.page

    def press(self, name: str, status: int = 200) -> None:
        """Press a button of a form and wait for its page."""
        with self.page.expect_navigation() as loading:
            self.page.get_by_role("button", name=name, exact=True).click()
        answer = loading.value
        assert answer is not None
        assert answer.status == status, f"{name}: {answer.url}"

    def follow(self, name: str) -> None:
        """Follow a link and wait for its page."""
        with self.page.expect_navigation():
            self.page.get_by_role("link", name=name, exact=True).first.click()

    def path(self) -> str:
        return self.page.url.removeprefix(self.site.base_url)

    def heading(self) -> str:
        return self.page.locator("h1").inner_text()

    def fill_sign_form(self, **values: str) -> None:
        """The form of a campaign; `country` is a code."""
        for name, value in values.items():
            if name == "country":
                self.page.select_option("#country", value)
            else:
                self.page.fill(f"#{name}", value)

    def sign(self, slug: str, name: str, email: str, *, lang: str = "", show_name: bool = False) -> None:
        """From the campaign to its thanks page."""
        self.go(f"/campaigns/{slug}" + (f"?lang={lang}" if lang else ""))
        self.fill_sign_form(name=name, email=email, country="IT")
        if show_name:
            self.page.check("#show_name")
        self.page.check("#consent")
        with self.page.expect_navigation():
            self.page.locator(".sign-form .button-main").click()
        assert self.path().startswith(f"/campaigns/{slug}/thanks")

    # ------------------------------------------------------------ reading

    def open_mail(self, to: str) -> Page:
        """Wait for the latest mail to an address, and open it in the list of mails."""

        def is_there() -> bool:
            self.go("/dev/mail/")
            return to in self.page.locator("main").inner_text()

        wait_until(is_there, 20, f"a mail to {to}")
        with self.page.expect_navigation():
            self.page.locator(".mail-list > li", has_text=to).first.get_by_role("link").click()
        return self.page

    def open_link_of_mail(self, to: str) -> str:
        """Follow the confirmation link of a mail; its path."""
        page = self.open_mail(to)
        with page.expect_navigation():
            page.locator(f'.mail-text a[href^="{self.site.base_url}/confirm/"]').click()
        return self.path()

    def letters(self) -> list[Letter]:
        """The letters that the page shows, closed ones too."""
        return [
            Letter(
                each.locator(".letter-to").text_content() or "",
                (each.locator(".letter-subject strong").text_content() or "").strip(),
                (each.locator(".letter-body").text_content() or "").strip(),
                each.locator(".letter-body").get_attribute("lang") or self.language(),
            )
            for each in self.page.locator("details.letter").all()
        ]

    def language(self) -> str:
        return self.page.locator("html").get_attribute("lang") or ""

    # ------------------------------------------------------------ what no page may do

    def check(self) -> None:
        """The page at hand, narrow and wide: axe finds nothing and nothing runs off the side."""
        before = self.page.viewport_size
        for width, axe in ((WIDE, AXE), (NARROW, AXE_IN_PLACE)):
            self.page.set_viewport_size({"width": width, "height": 800})
            across = self.page.evaluate("document.scrollingElement.scrollWidth")
            assert across <= width, f"{self.page.url} is {across} px wide on a screen of {width}"
            found = axe.run(self.page, options=AXE_OPTIONS)
            assert not found.violations_count, f"{self.page.url} at {width} px: {found.generate_report()}"
        if before:
            self.page.set_viewport_size(before)

    def walk_with_tab(self, at_most: int = 200) -> list[str]:
        """Tab from the top to the end: each stop is outlined, and nothing lies over it. Their ids."""
        ids = []
        for _ in range(at_most):
            self.page.keyboard.press("Tab")
            stop = self.page.evaluate(FOCUSED)
            if stop["is_body"]:
                return ids
            assert stop["is_outlined"], f"{self.page.url}: no outline on {stop['name']}"
            assert stop["is_in_view"], f"{self.page.url}: out of sight or covered: {stop['name']}"
            ids.append(stop["id"])
        raise AssertionError(f"{self.page.url}: Tab never leaves the page")


@dataclass(frozen=True)
class Letter:
    to: str
    subject: str
    body: str
    language: str


@dataclass
class World:
    """A running installation and a browser to visit it with."""

    site: Product
    browser: Browser

    @contextlib.contextmanager
    def visitor(self, *, is_staff: bool = False, width: int = WIDE, **settings: Any) -> Iterator[Visitor]:
        """A new person. When she leaves, nothing went wrong, and public pages left no cookie."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 800}, reduced_motion="reduce", **settings
        )
        try:
            visitor = Visitor(self.site, context, context.new_page())
            yield visitor
            assert not visitor.faults, visitor.faults
            cookies = [] if is_staff else context.cookies()
            assert not cookies, cookies
        finally:
            context.close()

    def in_app(self, change: Callable[[], None]) -> None:
        """Do something to the installation's database that no page can do."""
        with _app(self.site) as app, app.app_context():
            change()
            db.session.commit()


@contextlib.contextmanager
def _app(site: Product) -> Iterator[Flask]:
    app = create_app(Config.from_env(site.environ))
    try:
        yield app
    finally:
        db.close(app)


@contextlib.contextmanager
def world(folder: Path, *, is_empty: bool = False) -> Iterator[World]:
    """The product with the shipped content or with none, its web and its worker, mails in a folder; and Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with product(folder, LETTERS_PER_OFFICIAL_PER_HOUR="0") as site:
        if not is_empty:
            site.command("content", "load", str(ROOT / "content"))
        site.start_web(workers=1)
        site.start_worker()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium)
            try:
                yield World(site, browser)
            finally:
                browser.close()
