"""Messages read back as they were meant, in any script (RFC 5322, 2047, 6532)."""

from __future__ import annotations

import email
import email.policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actionkit.delivery.messages import OutgoingMessage
from actionkit.delivery.renderers import Mail
from actionkit.text import line_is_clean, prose_is_clean


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'empty.db'}"  # no test here touches a database


def _built(app: Flask, mail: Mail) -> tuple[bytes, EmailMessage]:
    with app.app_context():
        raw = OutgoingMessage(mail, message_id="<id@sender.example>", date=1_800_000_000).as_bytes()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b""), "every line ends with CRLF"
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    for header in ("From", "To", "Subject", "Date", "Message-ID", "Reply-To"):
        assert len(parsed.get_all(header, [])) <= 1
    return raw, parsed  # type: ignore[return-value]


def _people(raw: bytes, header: str) -> list[tuple[str, str]]:
    """Names and addresses by RFC 2047 6.2: blanks between encoded words are none.

    (`email.policy.default` keeps them, up to Python 3.12.)
    """
    value = email.message_from_bytes(raw, policy=email.policy.compat32)[header]
    return [(str(make_header(decode_header(name))), address) for name, address in getaddresses([value])]


def _text(message: EmailMessage) -> str:
    return str(message.get_content()).replace("\r\n", "\n")


@pytest.mark.parametrize(
    "name",
    [
        "The Minister for the Family, Natality and Equal Opportunities of the Republic, and President of the Council",
        'Ann "the quick" O\'Neil, Jr. <no>',
        "王小明",
        "नरेन्द्र मोदी " * 10,
        "Zoë (artist), née Müller; " * 5,
        "a" * 200,
    ],
)
def test_names_read_back_as_one_person(app: Flask, name: str) -> None:
    name = name.strip()
    _raw, message = _built(
        app,
        Mail(("", "x@example.org"), "Hello", "text\n", "en", reply_to=(name, "ann@example.org")),
    )
    assert _people(_raw, "Reply-To") == [(name, "ann@example.org")]
    raw, message = _built(app, Mail((name, "x@example.org"), "Hello", "text\n", "en"))
    assert _people(raw, "To") == [(name, "x@example.org")]
    (person,) = message["To"].addresses
    assert person.addr_spec == "x@example.org"
    if len(name) < 60:
        assert person.display_name == name


@pytest.mark.parametrize(
    "text",
    [
        ".\n..\n.\n",
        "From me\nFrom you\n",
        "x" * 5_000 + "\n",
        "é" * 5_000 + "\n",
        "\ttab \nnbsp\u00a0\n",
        "{{config}}\n",
    ],
)
def test_bodies_arrive_as_they_are(app: Flask, text: str) -> None:
    _raw, message = _built(app, Mail(("", "x@example.org"), "Hello", text, "en"))
    assert _text(message) == text


subjects = st.text(min_size=1, max_size=300).map(lambda s: " ".join(s.split())).filter(lambda s: s and line_is_clean(s))
bodies = st.text(max_size=2_000).filter(prose_is_clean)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(subject=subjects, body=bodies)
def test_any_subject_and_body_read_back(app: Flask, subject: str, body: str) -> None:
    _raw, message = _built(app, Mail(("", "x@example.org"), subject, body, "hi"))
    assert str(message["Subject"]) == subject
    assert _text(message) == body


def test_a_domain_in_its_own_script_is_mailed_as_a_labels(app: Flask) -> None:
    raw, message = _built(app, Mail(("Ann", "ann@bücher.example"), "Hello", "text\n", "en"))
    assert message["To"].addresses[0].addr_spec == "ann@xn--bcher-kva.example"
    assert raw.isascii()
