"""What staff see of mail that came in, and what they decide about it."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from actionkit.delivery.models import Outgoing, State
from actionkit.replies.models import IncomingMail, IncomingState
from actionkit.staff.models import AuditEntry
from tests.replies.conftest import MailSite
from tests.replies.samples import answer, mail, unreadable
from tests.structure.conftest import SignIn, csrf_token
from tests.structure.test_pages_structure import check

pytestmark = pytest.mark.one_database


@pytest.fixture
def waiting(site: MailSite) -> tuple[Outgoing, IncomingMail]:
    """A letter, and a report about it that no program understands."""
    letter = site.sent_letter()
    (came,) = site.comes_in(unreadable(site.bounce_address(letter)))
    return letter, came


def post(client: FlaskClient, came: IncomingMail, what: str, **form: str) -> TestResponse:
    data = {"csrf_token": csrf_token(client), **form}
    return client.post(f"/staff/incoming/{came.public_id}/{what}", data=data)


def test_a_person_says_what_it_is(site: MailSite, sign_in: SignIn, waiting: tuple[Outgoing, IncomingMail]) -> None:
    letter, came = waiting
    client = sign_in("admin")
    page = check(client.get("/staff/incoming"))
    assert "1 waiting for a person" in page.one("nav", **{"aria-label": "Main"}).words
    link = page.one("a", href=f"/staff/incoming/{came.public_id}")
    page = check(client.get(link["href"]))
    assert "Irgendetwas ist schiefgegangen." in page.of_class("incoming-text")[0].text
    assert page.value("mail") == letter.public_id, "its address names the letter"
    refused = post(client, came, "bounce", mail="nothing", lasts="yes")
    assert refused.status_code == 422
    check(refused)
    assert post(client, came, "bounce", mail="ab" * 16, lasts="yes").status_code == 422
    assert site.one(IncomingMail).state == IncomingState.WAITING
    done = post(client, came, "bounce", mail=f"<{letter.public_id}@sender.example>", lasts="yes")
    assert done.status_code == 303
    assert (site.row(letter).state, site.row(letter).last_answer) == (State.FAILED, "as staff read it")
    settled = site.one(IncomingMail)
    assert (settled.state, settled.raw, settled.outgoing_id) == (IncomingState.HANDLED, None, letter.id)
    (entry,) = site.stored(AuditEntry, AuditEntry.action == "incoming-mail-bounced")
    assert entry.detail == {"mail": letter.public_id, "effect": "failed"}
    check(client.get(link["href"]))


def test_not_now_is_tried_again(site: MailSite, sign_in: SignIn, waiting: tuple[Outgoing, IncomingMail]) -> None:
    letter, came = waiting
    assert post(sign_in("admin"), came, "bounce", mail=letter.public_id, lasts="no").status_code == 303
    assert site.row(letter).state == State.QUEUED


def test_what_is_nothing_is_ignored_once(
    site: MailSite, sign_in: SignIn, waiting: tuple[Outgoing, IncomingMail]
) -> None:
    letter, came = waiting
    client = sign_in("admin")
    for _ in range(2):
        assert post(client, came, "ignore").status_code == 303
    settled = site.one(IncomingMail)
    assert (settled.state, settled.raw, site.row(letter).state) == (IncomingState.IGNORED, None, State.SENT)
    assert len(site.stored(AuditEntry, AuditEntry.action == "incoming-mail-ignored")) == 1


@pytest.mark.parametrize(("role", "slugs"), [("campaigner", ()), ("admin", ("italy-water",))])
def test_only_who_looks_after_all_may_read(
    sign_in: SignIn, waiting: tuple[Outgoing, IncomingMail], role: str, slugs: tuple[str, ...]
) -> None:
    _letter, came = waiting
    client = sign_in(role, *slugs)
    for path in ("", f"/{came.public_id}"):
        assert client.get(f"/staff/incoming{path}").status_code == 403
    assert post(client, came, "ignore").status_code == 403


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe\x00<script>alert(1)</script>",
        answer("us@sender.example", text="<script>alert(1)</script>\u202egnp.exe\x1b[2J\n"),
        mail("""
            Content-Type: multipart/mixed; boundary=B

            no part at all
            """),
        mail("""
            From: =?x-unknown?q?=FF?= <a@b
            Content-Type: text/html; charset=x-unknown

            <script>alert(1)</script><img src="https://example.net/spy.png">hello
            """),
    ],
)  # fmt: skip
def test_foreign_text_is_only_text(site: MailSite, sign_in: SignIn, raw: bytes) -> None:
    (came,) = site.comes_in(raw)
    assert came.state == IncomingState.WAITING
    page = check(sign_in("admin").get(f"/staff/incoming/{came.public_id}"))
    assert [
        script for script in page.all("script") if not script.attributes.get("src", "").startswith("/static/")
    ] == []
    assert page.all("img") == []
    shown = page.of_class("incoming-text")[0].text
    assert not set(shown) & {"\x1b", "\x00", "\u202e"}
