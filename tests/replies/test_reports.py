"""What a mail says about one of ours, whatever server wrote it (RFC 3464, RFC 3834)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionkit.delivery import reports
from actionkit.delivery.reports import Nature
from tests.replies.samples import answer, mail, out_of_office, qmail, report, unreadable

TO = "bounces@sender.example"


@pytest.mark.parametrize(
    ("raw", "nature", "status"),
    [
        (report(TO), Nature.FAILED, "5.1.1"),
        (report(TO, encoding="base64"), Nature.FAILED, "5.1.1"),
        (report(TO, action="Failed", status="5.0.0", said="550 5.7.1 spam"), Nature.FAILED, "5.7.1"),
        (report(TO, action="failed", status="4.4.1", said="timed out"), Nature.FAILED, "4.4.1"),
        (report(TO, action="failed", status="5.2.2", said="quota"), Nature.FAILED, "5.2.2"),
        (report(TO, action="", status="5.1.1"), Nature.FAILED, "5.1.1"),
        (report(TO, action="delayed", status="4.4.1"), Nature.DELAYED, "4.4.1"),
        (report(TO, action="relayed", status="2.0.0", said="250 ok"), Nature.DELIVERED, "2.0.0"),
        (report(TO, recipients=2), Nature.FAILED, "5.1.1"),
        (report(TO).replace(b"Action: failed", b"Action: expanded"), Nature.DELIVERED, "5.1.1"),
        # Of two whom an office forwards to, one was reached.
        (report(TO, recipients=2).replace(b"Action: failed", b"Action: delivered", 1), Nature.DELIVERED, "5.1.1"),
        (report(TO).replace(b"message/delivery-status", b"text/plain"), Nature.UNCLEAR, ""),
        (qmail(TO), Nature.FAILED, "5.1.1"),
        (qmail(TO, "Sorry, mailbox full. (#5.2.2)"), Nature.FAILED, "5.2.2"),
        (unreadable(TO), Nature.UNCLEAR, ""),
        (out_of_office(TO, Auto_Submitted="auto-replied"), Nature.AUTOMATIC, ""),
        (out_of_office(TO, Subject="Automatic reply: Water"), Nature.AUTOMATIC, ""),
        (out_of_office(TO, Return_Path="<>", Subject="Out of Office: Water"), Nature.AUTOMATIC, ""),
        (out_of_office(TO, Return_Path="<>", Auto_Submitted="auto-replied (vacation)"), Nature.AUTOMATIC, ""),
        (out_of_office(TO, Precedence="bulk"), Nature.AUTOMATIC, ""),
        (out_of_office(TO, X_Autoreply="yes"), Nature.AUTOMATIC, ""),
        (answer(TO), Nature.WRITTEN, ""),
        (answer(TO, Auto_Submitted="no"), Nature.WRITTEN, ""),
        (answer(TO, text="You wrote to <x@example.net>: 550 5.1.1 no such user\n"), Nature.WRITTEN, ""),
    ],
)  # fmt: skip
def test_each_is_understood(raw: bytes, nature: Nature, status: str) -> None:
    reading = reports.read(raw)
    assert (reading.nature, reading.status) == (nature, status)
    assert "@" not in reading.remark, "what is kept names nobody"


@pytest.mark.parametrize(
    ("status", "is_temporary", "is_about_address"),
    [
        ("5.1.1", False, True),
        ("5.1.10", False, True),
        ("5.2.1", False, True),
        ("5.0.0", False, True),
        ("5.2.2", True, False),
        ("4.2.2", True, False),
        ("4.7.1", True, False),
        ("5.2.3", False, False),
        ("5.7.1", False, False),
        ("5.6.0", False, False),
    ],
)
def test_a_full_mailbox_is_no_dead_address(status: str, is_temporary: bool, is_about_address: bool) -> None:
    reading = reports.Reading(Nature.FAILED, status)
    assert (reading.is_temporary, reading.is_about_address) == (is_temporary, is_about_address)


def test_a_read_receipt_is_automatic() -> None:
    raw = mail("""
        From: minister@example.net
        Content-Type: multipart/report; report-type=disposition-notification; boundary=B

        --B
        Content-Type: text/plain

        It was read.
        --B--
        """)
    assert reports.read(raw).nature is Nature.AUTOMATIC


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2_000))
def test_whatever_comes_is_read(garbage: bytes) -> None:
    reports.read(garbage)
    head, _break, _rest = report(TO).partition(b"\r\n\r\n--B")
    reports.read(head + b"\r\n\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\n" + garbage)


def test_ids_of_ours_are_found_in_what_came_back() -> None:
    raw = report(TO, returned_id="ab" * 16 + "@sender.example") + b"cd" * 16 + b"@sender.example.net"
    assert reports.returned_ids(raw, "sender.example") == ["ab" * 16]
