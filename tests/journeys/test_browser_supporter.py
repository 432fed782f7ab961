"""The journey of a supporter in a browser, with and without JavaScript, in three languages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.journeys.browser import INDIA, ITALY, NARROW, Visitor, World, world
from tests.journeys.product import wait_until

pytestmark = pytest.mark.browser

TITLE = "Enact legislation that prevents sex trafficking and exploitation"
OWN_WORDS = "My aunt was one of them — and nobody asked.\nPerché?"


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("supporter")) as running:
        yield running


def _count(on: World, slug: str = ITALY) -> int:
    return int(json.loads(on.site.get(f"/campaigns/{slug}/count.json")[2])["signatures"])


def _letters_under_dev_mail(ann: Visitor, subject: str) -> list[tuple[str, str, str]]:
    """(headers, text, language) of the three latest mails with a subject."""
    ann.go("/dev/mail/")
    links = ann.page.locator(".mail-list a", has_text=subject).all()[:3]
    paths = [link.get_attribute("href") or "" for link in links]
    found = []
    for path in paths:
        page = ann.go(path)
        text = page.locator(".mail-text")
        headers = page.locator(".mail-headers dl").text_content() or ""
        found.append((headers, (text.text_content() or "").strip(), text.get_attribute("lang") or ""))
    return found


@pytest.mark.parametrize("has_javascript", [True, False], ids=["javascript", "no javascript"])
def test_from_the_home_page_to_the_letters_and_back_out(on: World, has_javascript: bool) -> None:
    before = _count(on)
    email = f"ann-{'js' if has_javascript else 'plain'}@example.org"
    name = f"Ann {'Script' if has_javascript else 'Plain'}"
    with on.visitor(java_script_enabled=has_javascript) as ann:
        page = ann.go("/")
        ann.follow("Stop sex trafficking")
        ann.follow(f"ITALY: {TITLE}")
        assert ann.heading() == TITLE
        assert "[your name]" in ann.letters()[0].body

        # An address without a dot passes the browser, and not the server.
        ann.fill_sign_form(name=name, email="ann@example", country="CH", comment=OWN_WORDS)
        page.check("#show_name")
        page.check("#consent")
        ann.press("Sign now", 422)
        assert page.title().startswith("Error: ")
        summary = page.locator(".error-summary")
        assert summary.evaluate("it => it === document.activeElement"), "the summary has the focus"
        summary.get_by_role("link").click()
        field = page.locator("#email")
        assert field.evaluate("it => it === document.activeElement"), "its link leads to the field"
        assert field.get_attribute("aria-invalid") == "true"
        assert page.locator("#email-error").inner_text() == summary.get_by_role("link").inner_text()
        kept = {id_: page.input_value(f"#{id_}") for id_ in ("name", "email", "country", "comment")}
        assert kept == {"name": name, "email": "ann@example", "country": "CH", "comment": OWN_WORDS}
        assert page.is_checked("#show_name")
        assert page.is_checked("#consent")
        assert not page.is_checked("#updates")

        page.fill("#email", email)
        ann.press("See my letter first")
        assert ann.heading() == "Your letters, before they go"
        shown = ann.letters()
        assert len(shown) == 3
        for letter in shown:
            assert letter.language == "it"
            assert OWN_WORDS in letter.body
            assert letter.body.endswith(f"{name}\nSvizzera")
            assert "[" not in letter.body
        assert _count(on) == before

        ann.press("Sign now")
        assert ann.heading() == "Thank you. One step is left."
        assert email not in page.content()

        ann.follow("Read its mails here.")
        path = ann.open_link_of_mail(email)
        assert ann.heading() == "Confirm your signature"
        assert ann.letters() == shown, "what she confirms is what she was shown"
        for button in ("Confirm my signature", "I did not sign this"):
            assert page.get_by_role("button", name=button, exact=True).is_visible()
        ann.go(path)
        time.sleep(1.5)  # the counting job runs each second
        assert _count(on) == before, "looking at the page confirms nothing"
        ann.go(path)
        ann.press("Confirm my signature")
        confirmed_at = time.monotonic()
        assert ann.heading() == "Thank you. Your signature counts."
        wait_until(lambda: _count(on) == before + 1, 5, "the count")
        assert time.monotonic() - confirmed_at < 5

        def letters() -> list[tuple[str, str, str]]:
            written = _letters_under_dev_mail(ann, shown[0].subject)
            return [mail for mail in written if email in mail[0]]

        wait_until(lambda: len(letters()) == 3, 20, "the three letters")
        assert sorted((text, language) for _headers, text, language in letters()) == sorted(
            (letter.body, "it") for letter in shown
        )

        _is_listed_until_withdrawn(on, ann, path, name, before)


def _is_listed_until_withdrawn(on: World, ann: Visitor, path: str, name: str, before: int) -> None:
    def is_listed() -> bool:
        # A browser may show the page a little stale while it fetches a new one.
        ann.go(f"/campaigns/{ITALY}")
        ann.page.reload()
        signers = ann.page.locator(".signers")
        return signers.count() == 1 and name in signers.inner_text()

    wait_until(is_listed, 10, "her name on the page")
    assert "Switzerland" in ann.page.locator(".signers li", has_text=name).inner_text()

    ann.go(path)
    assert ann.heading() == "Your signature is already confirmed, thank you"
    ann.follow("Withdraw my signature")
    assert ann.heading() == "Withdraw your signature?"
    assert is_listed(), "looking at the page withdraws nothing"
    ann.go(path)
    ann.follow("Withdraw my signature")
    ann.press("Withdraw my signature")
    assert ann.heading() == "Your signature is withdrawn"
    wait_until(lambda: not is_listed(), 10, "her name to be gone")
    wait_until(lambda: _count(on) == before, 5, "the count to go down")


def test_in_italian_everything_is_italian(on: World) -> None:
    with on.visitor() as anna:
        page = anna.go(f"/campaigns/{ITALY}")
        anna.follow("italiano")
        assert anna.language() == "it"
        assert anna.heading() == "Adottare norme che prevengano la tratta e lo sfruttamento sessuale"
        anna.fill_sign_form(name="Anna Prova", email="anna@esempio", country="IT")
        page.check("#consent")
        anna.press("Firma ora", 422)
        assert anna.language() == "it"
        assert page.title().startswith("Errore: ")
        assert "indirizzo" in page.locator(".error-summary a").inner_text()

        page.fill("#email", "anna@esempio.example.org")
        anna.press("Firma ora")
        assert anna.path() == f"/campaigns/{ITALY}/thanks?lang=it"
        assert anna.language() == "it"
        assert page.locator(".steps").inner_text().startswith("Controlli la posta.")

        anna.open_mail("anna@esempio.example.org")
        assert page.locator(".mail-text").get_attribute("lang") == "it"
        assert "Buongiorno," in page.locator(".mail-text").inner_text()
        assert "Adottare norme" in anna.heading()
        anna.open_link_of_mail("anna@esempio.example.org")
        assert anna.language() == "it"
        assert anna.heading() == "Confermi la Sua firma"
        anna.press("Non ho firmato io")
        assert anna.language() == "it"


def test_a_campaign_in_hindi(on: World) -> None:
    """The page speaks Hindi; each official is written to in her own language."""
    with on.visitor(width=NARROW) as meera:
        page = meera.go(f"/campaigns/{INDIA}")
        meera.follow("हिन्दी")
        assert meera.language() == "hi"
        assert meera.heading().startswith("यौन तस्करी")
        meera.fill_sign_form(name="मीरा शर्मा", email="meera@example.org", country="IN")
        with page.expect_navigation():
            page.locator('.sign-form button[formaction*="/preview"]').click()
        assert meera.language() == "hi"
        shown = meera.letters()
        assert [letter.language for letter in shown] == ["hi", "hi", "en"]
        assert all("मीरा शर्मा" in letter.body for letter in shown)
        assert shown[2].body.endswith("मीरा शर्मा\nIndia")
        page.check("#consent")
        with page.expect_navigation():
            page.locator(".button-main").click()
        assert meera.path() == f"/campaigns/{INDIA}/thanks?lang=hi"
        meera.open_link_of_mail("meera@example.org")
        assert meera.language() == "hi"
        assert meera.letters() == shown


def test_the_number_on_an_open_page_grows_by_itself(on: World) -> None:
    """`count.js` asks again; the page is not loaded anew."""
    with on.visitor() as ann, on.visitor() as bob:
        before = _count(on, INDIA)
        bob.page.clock.install()
        bob.go(f"/campaigns/{INDIA}")
        bob.page.reload()
        ann.sign(INDIA, "Ann Example", "ann-count@example.org")
        ann.open_link_of_mail("ann-count@example.org")
        ann.press("Confirm my signature")
        wait_until(lambda: _count(on, INDIA) == before + 1, 5, "the count")
        time.sleep(2)  # what a cache may keep
        bob.page.clock.run_for(21_000)
        number = bob.page.locator("[data-count]")
        wait_until(lambda: number.inner_text() == str(before + 1), 5, "the number on the page")


def test_a_browser_stops_an_empty_form_itself(on: World) -> None:
    with on.visitor() as ann:
        page = ann.go(f"/campaigns/{ITALY}")
        page.get_by_role("button", name="Sign now", exact=True).click()
        assert ann.path() == f"/campaigns/{ITALY}"
        assert page.evaluate("document.activeElement.id") == "name"
