"""Mails as servers and people send them: reports in the standard's form, in others, and automatic answers."""

from __future__ import annotations

import base64
import textwrap

STATUS = "Remote-MTA: dns; mx.example.net\nDiagnostic-Code: smtp; {said}\n"


def mail(text: str) -> bytes:
    return textwrap.dedent(text).lstrip("\n").replace("\n", "\r\n").encode()


def report(
    to: str,
    *,
    action: str = "failed",
    status: str = "5.1.1",
    said: str = "550 5.1.1 <minister@example.net>: no such user",
    recipients: int = 1,
    returned_id: str = "0" * 32 + "@elsewhere.example",
    encoding: str = "",
) -> bytes:
    """RFC 3464, as Postfix writes it."""
    per_recipient = "\n".join(
        f"Final-Recipient: rfc822; minister{n}@example.net\nAction: {action}\nStatus: {status}\n"
        + STATUS.format(said=said)
        for n in range(recipients)
    )
    fields = f"Reporting-MTA: dns; mx.sender.example\nArrival-Date: Tue, 24 Nov 2026 10:00:00 +0000\n\n{per_recipient}"
    header = ""
    if encoding == "base64":
        header = "Content-Transfer-Encoding: base64\n"
        fields = base64.encodebytes(fields.encode()).decode()
    return (
        (
            "Return-Path: <>\nFrom: MAILER-DAEMON@mx.sender.example (Mail Delivery System)\n"
            f"Subject: Undelivered Mail Returned to Sender\nTo: {to}\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\n'
            "Message-Id: <dsn@mx.sender.example>\n\n"
            "--B\nContent-Type: text/plain; charset=us-ascii\n\nI'm sorry to have to inform you.\n\n"
            f"--B\nContent-Type: message/delivery-status\n{header}\n{fields}\n"
            f"--B\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{returned_id}>\nSubject: Water\n\n--B--\n"
        )
        .replace("\n", "\r\n")
        .encode()
    )


def qmail(to: str, said: str = "Sorry, no mailbox here by that name. (#5.1.1)") -> bytes:
    """What qmail and those after it send: no MIME, no report."""
    return mail(f"""
        Return-Path: <>
        From: MAILER-DAEMON@mx.example.net
        To: {to}
        Subject: failure notice

        Hi. This is the qmail-send program at mx.example.net.
        I'm afraid I wasn't able to deliver your message to the following addresses.
        This is a permanent error; I've given up. Sorry it didn't work out.

        <minister@example.net>:
        {said}

        --- Below this line is a copy of the message.

        Subject: Water
        """)


def out_of_office(to: str, **headers: str) -> bytes:
    """An automatic answer that quotes what looks like a bounce."""
    more = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return (
        (
            f"From: The Minister <minister@example.net>\nTo: {to}\n{more}Message-ID: <away@example.net>\n\n"
            "I am out of the office until Monday. My old address <minister@old.example> fails with 550 5.1.1.\n"
        )
        .replace("\n", "\r\n")
        .encode()
    )


def unreadable(to: str) -> bytes:
    """From a mail server, and no one could say what about."""
    return mail(f"""
        Return-Path: <>
        From: MAILER-DAEMON@mx.example.net
        To: {to}
        Subject: Nachricht

        Irgendetwas ist schiefgegangen.
        """)


def answer(to: str, text: str = "Thank you for your letter.\n", **headers: str) -> bytes:
    """What a minister's office writes, by hand."""
    given = {
        "From": "Office of the Minister <office@example.net>",
        "Subject": "Re: Water",
        "Message-ID": "<answer-1@example.net>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\n" for name, value in given.items())
    return f"{head}To: {to}\nContent-Type: text/plain; charset=utf-8\n\n{text}".replace("\n", "\r\n").encode()
