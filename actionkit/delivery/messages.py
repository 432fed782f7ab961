"""A `Mail` as a Flask-Mail message that every relay and reader takes (RFC 5322, 2047, 6532)."""

from __future__ import annotations

from email import policy
from email.header import Header
from email.mime.base import MIMEBase
from email.utils import formataddr, parseaddr
from typing import Any

from flask import current_app
from flask_mail import Message

from actionkit.addresses import for_envelope
from actionkit.delivery.renderers import Mail

_PLACEHOLDER = "recipient@placeholder.invalid"


class OutgoingMessage(Message):
    """Flask-Mail's message with one recipient and the header set of actionkit.

    Flask-Mail cannot write an address whose local part is not ASCII; such a header is set
    here, and the message then needs a relay with SMTPUTF8.
    """

    def __init__(self, mail: Mail, *, message_id: str, date: float) -> None:
        self.recipient = for_envelope(mail.to[1])
        self.utf8_headers: dict[str, str] = {}
        super().__init__(
            subject=mail.subject,
            recipients=[self._placed("To", mail.to[0], self.recipient)],
            body=mail.text,
            html=mail.html or None,
            reply_to=self._placed("Reply-To", mail.reply_to[0], for_envelope(mail.reply_to[1]))
            if mail.reply_to
            else None,
            date=date,
            extra_headers={"Content-Language": mail.language, **mail.headers},
        )
        self.msgId = message_id
        if self.needs_smtputf8:
            self.mail_options = ["SMTPUTF8", "BODY=8BITMIME"]

    @property
    def needs_smtputf8(self) -> bool:
        return bool(self.utf8_headers)

    def _placed(self, header: str, name: str, address: str) -> Any:
        if not address.isascii():
            self.utf8_headers[header] = formataddr((_encoded(name), "x@x.invalid")).replace("x@x.invalid", address)
            return _PLACEHOLDER
        return (name, address) if name else address

    def _message(self) -> MIMEBase:
        message = super()._message()
        if self.html:
            message.set_type("multipart/mixed")
        if self.utf8_headers:
            message.policy = policy.SMTPUTF8
            for header, value in self.utf8_headers.items():
                message.replace_header(header, value)
        return message


def _encoded(name: str) -> str:
    return Header(name, "utf-8").encode() if name else ""


def sender_domain() -> str:
    """The domain of our sender: the right side of every Message-ID."""
    return sender_address().rpartition("@")[2]


def sender_address() -> str:
    """The envelope's sender: always ours, never a supporter's."""
    return parseaddr(current_app.config["MAIL_DEFAULT_SENDER"])[1]
