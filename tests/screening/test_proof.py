"""Proof of work: what a campaign under attack asks of a browser, and what comes without it."""

from __future__ import annotations

import base64
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import altcha
import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.screening import proof
from actionkit.screening.models import RuleAction, RuleKind, UsedProof
from actionkit.screening.reasons import NO_PROOF
from actionkit.signing.models import Signature, Submission
from actionkit.staff.models import AuditEntry, StaffRole
from tests.conftest import SECRET, MakeApp
from tests.journeys.browser import Visitor
from tests.journeys.product import wait_until
from tests.screening.conftest import add_rule
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, csrf_token
from tests.structure.page import Page
from tests.structure.test_pages_structure import check

KENYA = "kenya-petition"
PAGE, CHALLENGE = f"/campaigns/{ITALY}", f"/campaigns/{ITALY}/challenge.json"

only_sqlite = pytest.mark.one_database


@pytest.fixture
def easy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that takes no time."""
    monkeypatch.setattr(proof, "COST", 1)
    monkeypatch.setattr(proof, "TRIES", range(3))


@pytest.fixture
def guarded(easy: None, site: Site) -> Site:
    """The campaign in Italy asks for a proof, the others do not."""
    site.change(Campaign, Campaign.slug == ITALY, asks_proof=True)
    return site


def solved(client: FlaskClient, path: str = CHALLENGE) -> str:
    """What a browser hands in."""
    challenge = altcha.Challenge.from_dict(client.get(path).json)
    solution = altcha.solve_challenge(challenge)
    assert solution
    return altcha.Payload(challenge, solution).to_base64()


def reasons(site: Site) -> list[str]:
    return [signature.state_reason for signature in site.stored(Signature)]


def altered(text: str, **changed: Any) -> str:
    """The proof with other parameters of its challenge."""
    payload = json.loads(base64.b64decode(text))
    payload["challenge"]["parameters"] |= changed
    return base64.b64encode(json.dumps(payload).encode()).decode()


# ---------------------------------------------------------------- signing


def test_without_a_valid_unused_proof_a_signature_is_held(guarded: Site) -> None:
    answers = [guarded.sign(altcha=given) for given in (None, solved(guarded.client))]
    assert reasons(guarded) == [NO_PROOF, ""]
    assert len({(a.status_code, a.location, a.data) for a in answers}) == 1, "nobody sees that one is held"
    assert len(guarded.confirmations()) == 1

    used = solved(guarded.client)
    rewritten = base64.b64encode(json.dumps(json.loads(base64.b64decode(used)), indent=1).encode()).decode()
    for given in (used, used, rewritten):
        guarded.sign(altcha=given)
    assert reasons(guarded)[2:] == ["", NO_PROOF, NO_PROOF], "each counts once, however it is written"
    assert len(guarded.stored(UsedProof)) == 2


@only_sqlite
def test_what_proves_nothing(guarded: Site) -> None:
    good = solved(guarded.client)
    challenge = guarded.client.get(CHALLENGE).json
    unsolved = {"challenge": challenge, "solution": {"counter": 0, "derivedKey": "00" * 32}}
    later = int(time.time()) + 3600
    worthless = [
        "",
        "x",
        "é",
        "A" * 5_000,
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b'{"challenge": [], "solution": 1}').decode(),
        base64.b64encode(b'{"challenge": {"parameters": "x"}, "solution": {"counter": 1}}').decode(),
        base64.b64encode(json.dumps(unsolved).encode()).decode(),
        altered(good, expiresAt=later),
        altered(good, cost=2),
        altered(good, data={"campaign": KENYA}),
        solved(guarded.client, f"/campaigns/{KENYA}/challenge.json"),
    ]
    for text in worthless:
        assert guarded.sign(altcha=text).status_code == 303
    assert reasons(guarded) == [NO_PROOF] * len(worthless)
    guarded.sign(altcha=good)
    assert reasons(guarded)[-1] == "", "and the one that it was made from still counts"


@only_sqlite
def test_a_proof_runs_out(guarded: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof.db, "now", lambda now=db.now: now() - proof.VALID_FOR)
    old = solved(guarded.client)
    monkeypatch.undo()
    guarded.sign(altcha=old)
    assert reasons(guarded) == [NO_PROOF]


@only_sqlite
def test_a_form_with_a_fault_does_not_use_it_up(guarded: Site) -> None:
    given = solved(guarded.client)
    assert guarded.sign(altcha=given, name="").status_code == 422
    assert guarded.stored(UsedProof) == []
    guarded.sign(altcha=given)
    assert reasons(guarded) == [""]


def test_of_many_at_once_one_has_the_proof(guarded: Site) -> None:
    given = solved(guarded.client)
    answers = guarded.at_once(lambda client, _number: guarded.sign(client=client, altcha=given), times=8)
    assert {answer.status_code for answer in answers} == {303}
    assert sorted(reasons(guarded)) == ["", *[NO_PROOF] * 7]


@only_sqlite
def test_only_the_campaign_that_asks_for_it(guarded: Site) -> None:
    guarded.sign(KENYA)
    add_rule(guarded, RuleKind.NETWORK, "127.0.0.1", RuleAction.ALLOW)
    guarded.sign()
    assert reasons(guarded) == ["", ""], "and who is let through needs none"


@only_sqlite
def test_a_new_secret_key_does_not_spoil_open_forms(guarded: Site, make_app: MakeApp) -> None:
    given = [solved(guarded.client) for _ in range(2)]
    new = "another secret for tests that is long enough"
    without, with_old = (Site(make_app(secret_key=new, secret_key_fallbacks=old)) for old in ("", SECRET))
    without.sign(altcha=given[0])
    with_old.sign(altcha=given[1])
    with_old.sign(altcha=solved(with_old.client))
    assert reasons(guarded) == [NO_PROOF, "", ""]


@only_sqlite
def test_used_proofs_are_forgotten_when_they_have_run_out(guarded: Site) -> None:
    for _ in range(2):
        guarded.sign(altcha=solved(guarded.client))
    first = guarded.stored(UsedProof)[0]
    old = db.now() - proof.VALID_FOR - proof.KEPT_LONGER
    guarded.change(UsedProof, UsedProof.digest == first.digest, expires_at=old)
    guarded.drain()
    assert len(guarded.stored(UsedProof)) == 1


# ---------------------------------------------------------------- the page and the switch


@only_sqlite
def test_the_page_stays_one_for_all_and_the_challenge_is_of_one(guarded: Site) -> None:
    pages = [guarded.app.test_client().get(PAGE) for _ in range(2)]
    check(pages[0])
    assert pages[0].data == pages[1].data
    assert pages[0].headers["Cache-Control"].startswith("public")
    form = Page(pages[0].text).all("form", method="post")[0]
    assert form["data-challenge"] == CHALLENGE
    assert guarded.client.get(form["data-worker"]).status_code == 200
    assert "data-challenge" not in guarded.client.get(f"/campaigns/{KENYA}").text

    challenges = [guarded.client.get(form["data-challenge"]) for _ in range(2)]
    assert challenges[0].data != challenges[1].data
    for answer in (*pages, *challenges):
        assert "Set-Cookie" not in answer.headers
    assert challenges[0].headers["Cache-Control"] == "no-store"
    assert guarded.client.get("/campaigns/norway-won/challenge.json").status_code == 410
    assert guarded.client.get("/campaigns/spain-draft/challenge.json").status_code == 404


@only_sqlite
def test_staff_switch_it_and_every_process_shows_it(site: Site, sign_in: SignIn, make_app: MakeApp, easy: None) -> None:
    other = Site(make_app(page_cache_seconds="3600", memory_seconds="60"))
    campaigner = sign_in(StaffRole.CAMPAIGNER, ITALY)
    token = {"csrf_token": csrf_token(campaigner)}
    for position, is_on in (("on", True), ("on", True), ("off", False)):
        assert PAGE in other.client.get(PAGE).text
        assert campaigner.post(f"/staff/campaigns/{ITALY}/proof/{position}", data=token).status_code == 303
        wait_until(lambda is_on=is_on: ("data-challenge" in other.client.get(PAGE).text) == is_on, 2, "the page")
        other.sign()
    assert reasons(other) == [NO_PROOF, NO_PROOF, ""]
    assert campaigner.post(f"/staff/campaigns/{KENYA}/proof/on", data=token).status_code == 404
    assert [e.action for e in site.stored(AuditEntry) if "proof" in e.action] == ["proof-on", "proof-off"]
    assert "Switch it on" in campaigner.get(f"/staff/campaigns/{ITALY}/signatures").text
    assert "Switch it on" not in sign_in(StaffRole.VIEWER, ITALY).get(f"/staff/campaigns/{ITALY}/signatures").text


# ---------------------------------------------------------------- in a browser


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The application on loopback."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if (executable := shutil.which("chromium")) is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        yield browser
        browser.close()


@contextmanager
def visitor(browser: Browser, base_url: str, **settings: Any) -> Iterator[Visitor]:
    """A person whose browser reports no fault (no script error, nothing against our policy) and keeps no cookie."""
    context = browser.new_context(reduced_motion="reduce", **settings)
    try:
        person = Visitor(SimpleNamespace(base_url=base_url), context, context.new_page())  # type: ignore[arg-type]
        yield person
        assert person.faults == []
        assert context.cookies() == []
    finally:
        context.close()


def fill(person: Visitor, name: str) -> None:
    person.fill_sign_form(name=name, email=f"{name.lower()}@example.org", country="IT")
    person.page.check("#consent")


def press_sign(person: Visitor) -> None:
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Sign now", exact=True).click()
    assert person.path() == f"{PAGE}/thanks"


@only_sqlite
@pytest.mark.browser
def test_a_browser_does_the_work_while_the_form_is_filled_in(site: Site, chromium: Browser) -> None:
    site.change(Campaign, Campaign.slug == ITALY, asks_proof=True)
    with served(site.app) as base_url, visitor(chromium, base_url) as ann:
        status = ann.go(PAGE).locator(".proof-status")
        assert status.inner_text() == "", "nothing runs before the form is touched"
        fill(ann, "Ann")
        press_sign(ann)  # at once: the form waits for the proof, and is sent by itself

        ann.page.go_back()
        fill(ann, "Ben")
        wait_until(lambda: status.inner_text() == "The check against programs is done.", 20, "the proof")
        ann.check()
        press_sign(ann)
    assert reasons(site) == ["", ""]
    assert len(site.stored(UsedProof)) == 2
    assert all(sent.seconds_on_form in range(300) for sent in site.stored(Submission))


@only_sqlite
@pytest.mark.browser
def test_who_cannot_do_the_work_signs_all_the_same(site: Site, chromium: Browser) -> None:
    site.change(Campaign, Campaign.slug == ITALY, asks_proof=True)
    with served(site.app) as base_url:
        with visitor(chromium, base_url, java_script_enabled=False) as ann:
            ann.go(PAGE)
            assert "Your browser runs no scripts" in ann.page.content()
            fill(ann, "Ann")
            press_sign(ann)
        with visitor(chromium, base_url) as ben:
            ben.context.route("**/challenge.json", lambda route: route.fulfill(status=200, body="<cut off"))
            ben.go(PAGE)
            fill(ben, "Ben")
            press_sign(ben)
    assert reasons(site) == [NO_PROOF, NO_PROOF]
    assert [sent.seconds_on_form is None for sent in site.stored(Submission)] == [True, False]
