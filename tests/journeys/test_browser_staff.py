"""The journey of staff in a browser: the door, the desk, the CSV, a letter sent again; and axe on every page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from actionkit import db
from actionkit.delivery.models import Outgoing, State
from actionkit.letters.operations import LETTER
from actionkit.signing.models import Signature, SignatureState
from tests.journeys.browser import ITALY, Visitor, World, world
from tests.journeys.product import wait_until

pytestmark = pytest.mark.browser

DESK = "/staff/"
SIGNATURES, LETTERS = f"/staff/campaigns/{ITALY}/signatures", f"/staff/campaigns/{ITALY}/letters"
PASSWORD = "three unlikely words"
CONFIRMED, PENDING, HELD = "ann@example.org", "zoe@example.org", "bob@example.org"
REFUSAL = "550 5.1.1 <ministro@giustizia-roma.example>: Recipient address rejected: User unknown"


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three signatures: one confirmed, with its letters sent; one waiting; one held for review."""
    with world(tmp_path_factory.mktemp("staff")) as running:
        running.site.command("staff", "add", "pia@desk.example", "--role", "admin", "--password-stdin", stdin=PASSWORD)
        with running.visitor() as supporter:
            for name, email in (("Ann Example", CONFIRMED), ("Zoé Pending", PENDING), ("Bob Held", HELD)):
                supporter.sign(ITALY, name, email)
            supporter.open_link_of_mail(CONFIRMED)
            supporter.press("Confirm my signature")

        def hold() -> None:
            signature = db.session.scalars(sa.select(Signature).where(Signature.canonical_email == HELD)).one()
            signature.state, signature.state_reason = SignatureState.HELD, "many from one address"

        running.in_app(hold)
        wait_until(lambda: _letters_sent(running) == 3, 20, "the letters")
        yield running


def _letters_sent(on: World) -> int:
    counted: list[int] = []

    def count() -> None:
        sent = sa.select(sa.func.count()).where(Outgoing.kind == LETTER, Outgoing.state == State.SENT)
        counted.append(db.session.execute(sent).scalar_one())

    on.in_app(count)
    return counted[0]


def _fail_one_letter(on: World) -> None:
    """The relay of a later day refuses a letter for good."""

    def fail() -> None:
        letter = db.session.scalars(sa.select(Outgoing).where(Outgoing.kind == LETTER).order_by(Outgoing.id)).first()
        assert letter is not None
        letter.state, letter.last_step, letter.last_answer = State.FAILED, "rcpt", REFUSAL

    on.in_app(fail)


def _sign_in(staff: Visitor) -> None:
    staff.go("/staff/sign-in")
    staff.page.fill("#email", "pia@desk.example")
    staff.page.fill("#password", PASSWORD)
    staff.press("Sign in")
    assert staff.path() == DESK


def _names(staff: Visitor) -> list[str]:
    return [row.inner_text().splitlines()[0] for row in staff.page.locator(".rows tbody th").all()]


def test_from_the_one_time_link_to_the_csv_and_out(on: World, tmp_path: Path) -> None:
    link = on.site.command("staff", "add", "carla@desk.example", "--role", "admin").strip().splitlines()[-1]
    with on.visitor(is_staff=True, accept_downloads=True) as carla:
        page = carla.go(link)
        assert "carla@desk.example" in page.locator("main").inner_text()
        carla.go(DESK)
        assert carla.path().startswith("/staff/sign-in"), "looking at the link signs nobody in"
        carla.go(link)
        carla.press("Sign in")
        assert carla.path() == DESK
        cookies = carla.context.cookies()
        assert cookies
        assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in cookies)

        row = page.locator(".rows tbody tr", has_text="Enact legislation")
        assert row.locator('[data-label="Signatures"]').inner_text() == "1"
        assert row.locator('[data-label="Goal"]').inner_text() == "15,000"
        with page.expect_navigation():
            row.locator("th a").click()
        assert carla.path() == SIGNATURES.replace("signatures", "overview")
        carla.go(SIGNATURES)
        assert _names(carla) == ["Bob Held", "Zoé Pending", "Ann Example"]

        page.fill("#q", "zoé")
        carla.press("Search")
        assert _names(carla) == ["Zoé Pending"]
        page.fill("#q", "")
        page.select_option("#state", "confirmed")
        carla.press("Search")
        assert _names(carla) == ["Ann Example"]
        page.fill("#q", "nobody at all")
        carla.press("Search")
        assert "Nothing matches." in page.locator("main").inner_text()
        carla.follow("Show all signatures")

        rows = _download(carla, "Download as CSV: confirmed", tmp_path)
        assert [(row["name"], row["email"], row["state"]) for row in rows] == [("Ann Example", CONFIRMED, "confirmed")]
        everyone = page.request.get(f"{on.site.base_url}{SIGNATURES}.csv?state=all")
        rows = list(csv.DictReader(io.StringIO(everyone.text())))
        assert {row["email"]: row["state"] for row in rows} == {
            CONFIRMED: "confirmed",
            PENDING: "pending",
            HELD: "held",
        }

        carla.follow("Letters")
        assert len(_names(carla)) == 3
        with page.expect_navigation():
            page.locator(".rows tbody th a").first.click()
        assert carla.heading().startswith("Letter to The Minister")

        carla.press("Sign out")
        assert carla.path().startswith("/staff/sign-in")
        page.go_back()
        assert carla.path().startswith("/staff/sign-in"), "the way back shows nothing any more"
        carla.go(SIGNATURES)
        assert carla.path().startswith("/staff/sign-in")
        assert carla.go(link, 410).locator("button").count() == 0, "the link has worked once"


def _download(staff: Visitor, name: str, folder: Path) -> list[dict[str, str]]:
    with staff.page.expect_download() as loading:
        staff.page.get_by_role("link", name=name, exact=True).click()
    file = folder / loading.value.suggested_filename
    loading.value.save_as(file)
    assert file.suffix == ".csv"
    return list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8"), newline="")))


def test_a_password_opens_the_page_that_was_asked_for(on: World) -> None:
    with on.visitor(is_staff=True) as pia:
        page = pia.go(LETTERS)
        assert pia.path().startswith("/staff/sign-in")
        page.fill("#email", "pia@desk.example")
        page.fill("#password", "not this one at all")
        pia.press("Sign in", 422)
        assert page.locator(".error-summary").evaluate("it => it === document.activeElement")
        assert page.input_value("#email") == "pia@desk.example"
        pia.check()
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{on.site.base_url}{LETTERS}")


def test_a_refused_letter_is_sent_again(on: World) -> None:
    _fail_one_letter(on)
    with on.visitor(is_staff=True) as pia:
        _sign_in(pia)
        page = pia.go(f"{LETTERS}?state=failed")
        assert page.locator(".rows .answer").inner_text() == REFUSAL
        pia.check()
        with page.expect_navigation():
            page.locator(".rows tbody th a").click()
        pia.check()
        page.go_back()
        pia.press(f"Send again to {_names(pia)[0]}")
        assert "queued again" in page.get_by_role("status").inner_text()
        pia.check()

        def are_sent() -> bool:
            pia.go(LETTERS)
            return [state.inner_text() for state in page.locator(".rows .state").all()] == ["sent"] * 3

        wait_until(are_sent, 10, "the letter to leave again")
        assert page.get_by_role("button", name="Send again").count() == 0


def test_a_held_signature_is_released(on: World) -> None:
    with on.visitor(is_staff=True) as pia:
        _sign_in(pia)
        page = pia.go(f"{SIGNATURES}?state=held")
        pia.check()
        if page.locator(".rows").count():
            pia.press("Release: Bob Held")
            assert "released" in page.get_by_role("status").inner_text()
            pia.go(SIGNATURES)
            page.get_by_label("Name, address or postcode").fill("bob")
            pia.press("Search")
            assert "bob" not in page.url
            assert page.locator(".rows .state").inner_text() == "not confirmed yet"


def test_no_page_of_the_desk_has_a_fault(on: World) -> None:
    link = on.site.command("staff", "add", "vera@desk.example", "--role", "viewer").strip().splitlines()[-1]
    with on.visitor(is_staff=True) as vera:
        vera.go("/staff/sign-in")
        vera.check()
        vera.go(link)
        vera.check()
        vera.press("Sign in")
        for path in (
            DESK,
            SIGNATURES,
            f"{SIGNATURES}?state=withdrawn",
            "/staff/campaigns/kenya-fund-victim-assistance/signatures",
            LETTERS,
            f"{LETTERS}?state=frozen",
            "/staff/campaigns/france-shift-the-burden/letters",
            "/staff/password",
        ):
            vera.go(path)
            vera.check()
        vera.go(LETTERS)
        with vera.page.expect_navigation():
            vera.page.locator(".rows tbody th a").first.click()
        vera.check()


def test_a_page_of_the_desk_with_the_keyboard(on: World) -> None:
    with on.visitor(is_staff=True) as pia:
        _sign_in(pia)
        for path in (DESK, SIGNATURES):
            pia.go(path)
            pia.walk_with_tab()
