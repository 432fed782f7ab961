"""Links in mails: what machines do to them, what happens when they come late, and what a new key does."""

from __future__ import annotations

import datetime as dt
import http.client
import re
import shutil
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import sync_playwright

from tests.faults.rig import Round, Scale
from tests.faults.site import SLUG, Site, hidden_fields
from tests.journeys.product import SECRET, link_in, wait_until

SCANNERS = (
    "Mozilla/5.0 (compatible; SafeLinks; +https://scanner.example)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) BarracudaLinkProtect",
    "facebookexternalhit/1.1",
    "",
)
NEW_SECRET = "another secret that is long enough to be taken as well"

# ---------------------------------------------------------------- machines


def scanned(round_: Round) -> None:
    """F26. A confirmation link is met by HEAD, five GETs, scanners, and a browser that runs the page's scripts.

    None of them confirms, nor does following every address on the page. Only the button's post does.
    (The short form has no browser: `tests/journeys` opens the page in one.)
    """
    with round_.running() as site:
        before = site.confirmed()
        site.sign("scanned@example.org")
        path = site.link_of("scanned@example.org")
        statuses = [_fetch(site, "HEAD", path)[0], *(_fetch(site, "GET", path)[0] for _ in range(5))]
        statuses += [_fetch(site, "GET", path, agent)[0] for agent in SCANNERS]
        page = site.get(path)[2]
        followed = [_fetch(site, "GET", address)[0] for address in _addresses(site, path, page)]
        is_browsed = round_.scale is Scale.WHOLE and _browse(site, path)
        round_.injected(len(statuses), "times looked at")
        round_.measured |= {"addresses followed": len(followed), "scripts run": is_browsed}
        round_.expect(is_browsed or round_.scale is Scale.SHORT, "Chromium is not installed, so no script ran")
        round_.expect(set(statuses) == {200}, f"looking was answered with {sorted(set(statuses))}")
        round_.expect(site.confirmed() == before, "it was confirmed without the button")
        round_.expect("already confirmed" not in site.get(path)[2], "the page says that it is confirmed")
        round_.expect(site.post(path)[0] == 200, "the button does not work")
        round_.expect(site.confirmed() == before + 1, "the button did not confirm")
        round_.green_again(site)


def _fetch(site: Site, method: str, path: str, agent: str = "curl/8") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    try:
        connection.request(method, path, headers={"User-Agent": agent} if agent else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _addresses(site: Site, path: str, page: str) -> list[str]:
    """The paths of our own site that a page names in any attribute, itself and its forms' among them."""
    found = re.findall(r"""\b(?:href|src|action|formaction|data-[\w-]+)\s*=\s*["']([^"']+)["']""", page)
    parts = [urlsplit(urljoin(site.base_url + path, address)) for address in found]
    ours = {part.path + (f"?{part.query}" if part.query else "") for part in parts if part.port == site.port}
    return sorted(ours | {path})


def _browse(site: Site, path: str) -> bool:
    """Open the page in Chromium and let its scripts have their time; False where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return False
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page()
        page.goto(site.base_url + path, wait_until="networkidle")
        page.mouse.move(50, 50)
        page.wait_for_timeout(1000)
        browser.close()
    return True


# ---------------------------------------------------------------- too late


def too_late(round_: Round) -> None:
    """F28. A confirmation more than 24 h after the campaign's end, after 7 days, and after erasure.

    Each is a 410 page in plain words, and nothing is counted. A moment before the limit it works.
    """
    ages = (dt.timedelta(days=6, hours=23), dt.timedelta(days=7, hours=1))
    with round_.running() as site:
        before = site.confirmed()
        in_time, late = _paths_of(site, ["closed-1@example.org", "closed-2@example.org"], "india-water")
        erased = _erased(site)
        fresh, old = _mailed_ago(site, ages)
        round_.expect(site.post(fresh)[0] == 200, f"a link of {ages[0]} does not work")
        _is_over(round_, site, old, "seven days")
        _is_over(round_, site, erased, "erased")
        _close(site, "india-water", dt.timedelta(hours=23))
        round_.expect(site.post(in_time)[0] == 200, "23 hours after the end a link does not work")
        _close(site, "india-water", dt.timedelta(hours=25))
        _is_over(round_, site, late, "ended")
        counted = site.confirmed() + site.confirmed("india-water") - before
        round_.injected(3, "links that were too late")
        round_.expect(counted == 2, f"{counted} confirmed, and 2 were in time")
        round_.green_again(site)


def _paths_of(site: Site, emails: list[str], slug: str = SLUG) -> list[str]:
    """Let these people sign, and take the links from their mails."""
    for email in emails:
        status = site.sign(email, slug)
        assert status == 303, f"signing was answered with {status}"
    return [site.link_of(email) for email in emails]


def _mailed_ago(site: Site, ages: tuple[dt.timedelta, ...]) -> list[str]:
    """Links that were mailed some time ago: their age counts from the first try to send them."""
    emails = [f"ago-{n}@example.org" for n in range(len(ages))]
    fresh = _paths_of(site, emails)
    for email, age in zip(emails, ages, strict=True):
        id_ = _signature_id(site, email)
        wait_until(lambda id_=id_: _is_sent(site, id_), what="the mail to be recorded")  # type: ignore[misc]
        site.query(
            "UPDATE outgoing SET first_tried_at = :at, not_before = :at, state = 'queued' WHERE kind = 'confirmation'"
            " AND subject_id IN (SELECT id FROM submissions WHERE signature_id = :id)",
            at=_stored(site, dt.datetime.now(dt.UTC) - age),
            id=id_,
        )
    wait_until(lambda: all(len(site.sink.to(email)) == 2 for email in emails), what="the mails of then")
    old = [link_in(site.sink.to(email)[1].text, site.base_url) for email in emails]
    assert not set(old) & set(fresh), "the links do not say when they were mailed"
    return old


def _signature_id(site: Site, email: str) -> int:
    (row,) = site.query("SELECT id FROM signatures WHERE canonical_email = :email", email=email)
    return int(row.id)


def _stored(site: Site, moment: dt.datetime) -> object:
    """A moment as the database holds it."""
    return moment if "DATABASE_URL" in site.settings else moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _erased(site: Site) -> str:
    """A link of a person whom the command erased."""
    (path,) = _paths_of(site, ["erased@example.org"])
    site.command("erase", "-", stdin="Erased@example.org\n")
    return path


def _is_sent(site: Site, signature_id: int) -> bool:
    """Whether the ledger says that a signature's confirmation has left."""
    rows = site.query(
        "SELECT state FROM outgoing WHERE kind = 'confirmation'"
        " AND subject_id IN (SELECT id FROM submissions WHERE signature_id = :id)",
        id=signature_id,
    )
    return {row.state for row in rows} == {"sent"}


def _close(site: Site, slug: str, ago: dt.timedelta) -> None:
    site.query(
        "UPDATE campaigns SET state = 'closed', closed_at = :at WHERE slug = :slug",
        at=_stored(site, dt.datetime.now(dt.UTC) - ago),
        slug=slug,
    )


def _is_over(round_: Round, site: Site, path: str, word: str) -> None:
    for status, _headers, page in (site.get(path), site.post(path)):
        round_.expect(status == 410, f"{word}: {status}, not 410")
        round_.expect(word in page, f"{word}: the page does not say so")
        round_.expect("Traceback" not in page and 'name="decision"' not in page, f"{word}: no page for people")


# ---------------------------------------------------------------- keys


def key_rotated(round_: Round) -> None:
    """F39. A new secret key, the old one kept as a fallback; then the old one is taken away.

    With the fallback, open forms and links to confirm and to withdraw work; without it they end.
    """
    workers = round_.scale.pick(1, 2)
    with round_.site() as site:
        worker, web = site.start_worker(), site.start_web(workers)
        opened = hidden_fields(site.get(f"/campaigns/{SLUG}")[2])
        first, second, third = _paths_of(site, [f"key-{n}@example.org" for n in range(3)])
        withdraw = _withdraw_link(site.post(first)[2])
        site.kill(worker)

        site.kill(web)
        site.settings |= {"SECRET_KEY": NEW_SECRET, "SECRET_KEY_FALLBACKS": SECRET}
        web = site.start_web(workers)
        round_.expect(site.sign("open@example.org", **opened) == 303, "an open form does not work")
        round_.expect(site.post(second)[0] == 200, "an old link to confirm does not work")
        new_withdraw = _withdraw_link(site.get(second)[2])
        round_.expect(new_withdraw != withdraw, "the new key is not in use")
        round_.expect(site.post(withdraw)[0] == 200, "an old link to withdraw does not work")

        site.kill(web)
        site.settings |= {"SECRET_KEY_FALLBACKS": ""}
        site.start_web(workers)
        for path in (third, withdraw):
            round_.expect(site.get(path)[0] == 404, "an old link works without the old key")
            round_.expect(site.post(path)[0] == 404, "an old link works without the old key")
        round_.expect(site.get(new_withdraw)[0] == 200, "a link of the new key does not work")
        round_.expect(site.confirmed() == 1, f"{site.confirmed()} are confirmed, not one")
        round_.injected(2, "changes of the key")
        round_.green_again(site)


def _withdraw_link(page: str) -> str:
    found = re.search(r'href="([^"]*/withdraw/[^"]+)"', page)
    assert found, "the page has no link to withdraw"
    return urlsplit(found[1]).path
