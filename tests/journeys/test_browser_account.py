"""A new campaigner's way in: invitation, password, codes of an app, a passkey, and the end of a session elsewhere."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from passlib.totp import TOTP

from tests.journeys.browser import Visitor, World, world
from tests.journeys.product import Product

pytestmark = pytest.mark.browser

PASSWORD = "three unlikely words"
NEWCOMER = "nora@desk.example"
SHOTS = os.environ.get("ACTIONKIT_TEST_SCREENSHOTS", "")


class OnLocalhost(Product):
    """The same installation under the name for which a browser makes passkeys."""

    @property
    def base_url(self) -> str:
        return f"http://localhost:{self.port}"


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("account")) as running:
        running.site.command("staff", "add", "pia@desk.example", "--role", "admin", "--password-stdin", stdin=PASSWORD)
        yield running


def look(visitor: Visitor, name: str) -> None:
    """Axe finds nothing, narrow and wide; and a picture for whoever asks for one."""
    visitor.check()
    if SHOTS:
        for width in (360, 1280):
            visitor.page.set_viewport_size({"width": width, "height": 800})
            visitor.page.screenshot(path=str(Path(SHOTS) / f"{name}-{width}.png"), full_page=True)


def by_password(visitor: Visitor, email: str) -> None:
    visitor.go("/staff/sign-in")
    visitor.page.fill("#email", email)
    visitor.page.fill("#password", PASSWORD)
    visitor.press("Sign in")


def code(key: str, steps: int = 0) -> str:
    return str(TOTP(key=key, format="base32").generate(time=int(time.time()) + 30 * steps).token)


def a_telephone(visitor: Visitor) -> None:
    """An authenticator that checks its owner, as Chromium plays it (Chrome DevTools Protocol, WebAuthn)."""
    devtools = visitor.context.new_cdp_session(visitor.page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_from_the_invitation_to_the_passkey(on: World) -> None:
    with on.visitor(is_staff=True) as pia:
        by_password(pia, "pia@desk.example")
        pia.go("/staff/people")
        look(pia, "people")
        pia.page.fill("#email", NEWCOMER)
        pia.page.get_by_label("campaigner: also acts").check()
        pia.press("Send the invitation")
        assert f"An invitation to {NEWCOMER} is on its way." in pia.page.locator("main").inner_text()
        mail = pia.open_mail(NEWCOMER).locator(".mail-text").inner_text()
        found = re.search(r"/staff/invitation/\S+", mail)
        assert found

        with on.visitor(is_staff=True) as nora:
            nora.site = OnLocalhost(on.site.folder, port=on.site.port)
            nora.go(found[0])
            look(nora, "invitation")
            nora.page.fill("#new_password", PASSWORD)
            nora.page.fill("#new_password_confirm", PASSWORD)
            nora.press("Set the password and sign in")
            assert nora.path() == "/staff/"

            nora.follow("Account")
            look(nora, "account")
            nora.follow("Set up codes")
            look(nora, "codes")
            nora.page.get_by_text("The app cannot read pictures").click()
            key = nora.page.locator(".key").inner_text().replace("-", "").replace(" ", "")
            nora.page.fill("#code", code(key))
            nora.press("Use this app")
            look(nora, "recovery-codes")
            assert nora.page.locator(".recovery-codes li").count() == 10
            nora.follow("I have kept them")
            nora.press("Sign out")

            by_password(nora, NEWCOMER)
            assert nora.path() == "/staff/second-factor"
            look(nora, "second-factor")
            nora.page.fill("#code", code(key, 1))
            nora.press("Sign in")
            assert nora.path() == "/staff/"

            a_telephone(nora)
            nora.go("/staff/account/passkeys")
            look(nora, "passkey")
            nora.page.fill("#name", "my telephone")
            nora.press("Make the passkey")
            assert "The passkey was added." in nora.page.locator("main").inner_text()
            nora.press("Sign out")
            look(nora, "sign-in")
            nora.press("Sign in with a passkey")
            assert nora.path() == "/staff/"

            with on.visitor(is_staff=True) as elsewhere:
                by_password(elsewhere, "pia@desk.example")
                elsewhere.go("/staff/account")
                assert elsewhere.page.locator(".rows tbody tr").count() == 2
                elsewhere.press("Sign out everywhere else")
                pia.go("/staff/people")
                assert pia.path().startswith("/staff/sign-in"), "the other session has ended"
                elsewhere.go("/staff/people")
                elsewhere.follow(NEWCOMER)
                assert "1 passkey." in elsewhere.page.locator("main").inner_text()
                look(elsewhere, "person")
                elsewhere.press("End all sessions")
                nora.go("/staff/account")
                assert nora.path().startswith("/staff/sign-in")
                elsewhere.go("/staff/audit")
                look(elsewhere, "audit")
