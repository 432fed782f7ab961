"""`python -m tests.journeys.pictures`: the pictures of the desk in docs/images/desk, for docs/desk.md.

The product with `desk_sample` in it, in a folder of its own; nothing is left of it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from actionkit import create_app, db, migrations
from actionkit.content.load import load as load_content
from actionkit.signing import counting
from actionkit.staff import operations
from actionkit.staff.models import StaffRole
from config import Config
from tests.journeys import desk_sample
from tests.journeys.browser import ITALY, NARROW, WIDE
from tests.journeys.product import ROOT, SECRET

FOLDER = ROOT / "docs" / "images" / "desk"
OF_ITALY = f"/staff/campaigns/{ITALY}"
PICTURES = {
    "home": "/staff/",
    "overview": f"{OF_ITALY}/overview",
    "figures": "/staff/figures?span=7",
    "compare": "/staff/figures/compare?numbers=all&span=90",
    "signatures": f"{OF_ITALY}/signatures",
    "letters": f"{OF_ITALY}/letters",
    "review": f"{OF_ITALY}/review",
    "edit": f"{OF_ITALY}/edit",
    "files": f"{OF_ITALY}/files",
    "officials": "/staff/officials",
    "delivery": "/staff/delivery",
    "audit": "/staff/audit",
}
NARROW_TOO = ("home", "overview")
HEIGHTS = {WIDE: 800, NARROW: 720}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Config.from_env({"ACTIONKIT_INSTANCE": folder, "ACTIONKIT_SECRET_KEY": SECRET}))
        with app.app_context():
            migrations.upgrade()
            load_content(ROOT / "content")
            desk_sample.fill()
            db.session.commit()
            counting.recount()
            member = operations.add_staff("pia@charity.example", StaffRole.ADMIN, None, [])
            door = operations.new_sign_in_link(member)
            db.session.commit()
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        FOLDER.mkdir(parents=True, exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
            _take_all(browser, f"http://127.0.0.1:{server.port}", door)
            browser.close()
        server.shutdown()
        db.close(app)
    return 0


def _take_all(browser: Browser, address: str, door: str) -> None:
    context = browser.new_context(timezone_id="Europe/Rome", locale="en-GB", reduced_motion="reduce")
    page = context.new_page()
    page.goto(address + door)
    page.locator("main button").click()
    for name, path in PICTURES.items():
        for width in (WIDE, NARROW) if name in NARROW_TOO else (WIDE,):
            page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
            page.goto(address + path)
            page.wait_for_timeout(200)
            file: Path = FOLDER / f"{name}{'-narrow' if width == NARROW else ''}.png"
            page.screenshot(path=file, full_page=name in ("overview", "figures") and width == WIDE)
            sys.stdout.write(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1024} KB\n")


if __name__ == "__main__":
    sys.exit(main())
