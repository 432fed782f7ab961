"""Every page of the desk, narrow and wide: axe finds nothing, nothing runs off the side, no script complains, and
whatever can be used has its place in the keyboard's way, with an outline, where it can be seen.

The pages are those of the list of routes, with the content that the tests of rights fill them with.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from actionkit import db
from actionkit.staff import operations
from actionkit.staff.models import StaffRole
from tests.journeys.browser import AXE, AXE_IN_PLACE, AXE_OPTIONS, NARROW, WIDE
from tests.signing.site import Site
from tests.structure.conftest import site
from tests.structure.test_routes import Desk, desk

__all__ = ["desk", "site"]

pytestmark = [pytest.mark.browser, pytest.mark.one_database]

NO_PAGES = re.compile(r"\.(csv|csv\.gz|pdf|json)$|<token>|/staff/sign-in$")
"""Files, and the door, which has its own tests."""
AS_WIDE = {**AXE_OPTIONS, "runOnly": {"type": "rule", "values": ["target-size", "scrollable-region-focusable"]}}
"""What differs on a wide screen; all else axe has seen on the narrow one."""

# Focus whatever Tab would come to, one after another, and tell what is wrong with it.
FOCUS_ALL = """() => {
    const wrong = [];
    const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]");
    for (const it of all) {
        const name = `${it.tagName.toLowerCase()}#${it.id} ${it.textContent.trim().slice(0, 30)}`;
        if (it.disabled || it.type === "hidden" || it.tabIndex < 0 || !it.checkVisibility()) continue;
        if (it.tabIndex > 0) wrong.push(`${name}: out of order`);
        it.focus();
        if (document.activeElement !== it) { wrong.push(`${name}: takes no focus`); continue; }
        const style = getComputedStyle(it);
        if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) wrong.push(`${name}: no outline`);
        const box = it.getBoundingClientRect();
        if (!it.matches(".skip-link") && (box.right < 1 || box.left > innerWidth - 1 || box.bottom < 1 ||
            box.top > innerHeight - 1)) wrong.push(`${name}: out of sight`);
    }
    return wrong;
}"""


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The application served from a thread of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def sign_in_path(site: Site) -> str:
    with site.app.app_context():
        member = operations.add_staff("pia@desk.example", StaffRole.ADMIN, None, [])
        path = operations.new_sign_in_link(member)
        db.session.commit()
    return path


def faults_of(page: Page) -> Iterator[str]:
    """What is wrong with the page at hand, narrow and wide."""
    for width, axe, options in ((NARROW, AXE, AXE_OPTIONS), (WIDE, AXE_IN_PLACE, AS_WIDE)):
        page.set_viewport_size({"width": width, "height": 800})
        across = page.evaluate("document.scrollingElement.scrollWidth")
        if across > width:
            yield f"{across} px wide on a screen of {width}"
        for violation in axe.run(page, options=options).response["violations"]:
            yield f"at {width} px {violation['id']}: {[node['html'][:120] for node in violation['nodes'][:3]]}"
        page.keyboard.press("Tab")  # from here on the browser shows where the focus is
        yield from (f"at {width} px {wrong}" for wrong in page.evaluate(FOCUS_ALL))


def test_every_page_of_the_desk(desk: Desk, address: str) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    paths = sorted(
        {desk.path(rule) for method, rule in desk.routes if method == "GET" and not NO_PAGES.search(rule.rule)}
    )
    assert len(paths) > 30
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_context(reduced_motion="reduce", timezone_id="Asia/Kolkata").new_page()
        page.on("console", lambda said: faults.append(f"{page.url}: {said.text}") if said.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.goto(address + sign_in_path(desk.site))
        page.locator("main button").click()
        for path in paths:
            answer = page.goto(address + path)
            assert answer is not None
            if answer.status == 404 and is_anothers(path):
                faults.pop()  # the browser's own complaint about it
                continue
            if answer.status != 200:
                faults.append(f"{path}: {answer.status}")
                continue
            faults += [f"{path}: {fault}" for fault in faults_of(page)]
        browser.close()
    assert not faults, "\n".join(faults)


def is_anothers(path: str) -> bool:
    """Pages about a file that some other member asked for or sent in: there is nothing for this one."""
    return "/files/" in path or "/officials/import/" in path
