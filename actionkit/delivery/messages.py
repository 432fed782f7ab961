"""A `Mail` as the bytes that every relay and reader takes (RFC 5322, 2047, 6532).

A mail of text alone, as nearly all are, is written here: that takes a twentieth of the time that Python's
email package needs for it, and letters leave as fast as they are written. Flask-Mail puts the others together.
"""

from __future__ import annotations

import base64
import binascii
from email import policy
from email.charset import BASE64, QP, Charset
from email.header import Header
from email.mime.base import MIMEBase
from email.mime.text import MIMEText
from email.utils import formataddr, formatdate, parseaddr
from functools import lru_cache

import flask_mail
from flask import current_app

from actionkit.addresses import for_envelope
from actionkit.delivery.renderers import Mail

# Headers leave as they are built here: when Python refolds a long one, it loses the quotes around
# a name with a comma, and one official becomes two.
_POLICY = policy.SMTP.clone(refold_source="none")
_POLICY_UTF8 = policy.SMTPUTF8.clone(refold_source="none")
_LINE = 76
_REMEMBERED = 4096


class OutgoingMessage:
    """A message to one recipient, with the headers of actionkit.

    An address beyond ASCII needs a relay with SMTPUTF8: see `needs_smtputf8`. What cannot be delivered
    is reported to the envelope's sender: `return_path`, or our sender where there is none.
    """

    def __init__(self, mail: Mail, *, message_id: str, date: float, return_path: str = "") -> None:
        self.mail = mail
        self.message_id = message_id
        self.envelope_sender = return_path or sender_address()
        self.recipient = for_envelope(mail.to[1])
        self.people = {"From": _sender(), "To": (mail.to[0], self.recipient)}
        if mail.reply_to:
            self.people["Reply-To"] = (mail.reply_to[0], for_envelope(mail.reply_to[1]))
        self._date = date

    @property
    def needs_smtputf8(self) -> bool:
        return not all(address.isascii() for _name, address in self.people.values())

    @property
    def mail_options(self) -> list[str]:
        """What MAIL FROM has to say of it."""
        return ["SMTPUTF8", "BODY=8BITMIME"] if self.needs_smtputf8 else []

    def has_bad_headers(self) -> bool:
        """Whether a header that holds what somebody typed would end before its end."""
        typed = [self.mail.subject, self.message_id, self.mail.language]
        for pair in (*self.people.values(), *self.mail.headers.items()):
            typed += pair
        return any("\n" in text or "\r" in text or "\0" in text for text in typed)

    def as_bytes(self) -> bytes:
        """The message with CRLF, as it leaves."""
        if self.mail.html or self.mail.attachments:
            return _Parts(self).as_bytes()
        encoding, body = _body(self.mail.text)
        lines = [
            'Content-Type: text/plain; charset="utf-8"',
            "MIME-Version: 1.0",
            f"Content-Transfer-Encoding: {encoding}",
            *(f"{name}: {value}" for name, value in self.headers().items()),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def headers(self) -> dict[str, str]:
        """All but those that say how the body is written; folded, and encoded where they are not ASCII."""
        headers = {"Subject": _folded("Subject", self.mail.subject)} if self.mail.subject else {}
        headers |= {header: _address(header, *person) for header, person in self.people.items()}
        headers |= {"Date": formatdate(self._date, localtime=True), "Message-ID": self.message_id}
        headers |= {"Content-Language": self.mail.language, **self.mail.headers}
        return headers


class _Parts(flask_mail.Message):
    """Flask-Mail's message, for what has several parts.

    Flask-Mail folds encoded names inside quotes and cannot write an address whose local part is
    not ASCII, so our own headers take the place of its own.
    """

    def __init__(self, message: OutgoingMessage) -> None:
        self.ours = message
        super().__init__(
            recipients=["recipient@placeholder.invalid"],
            body=message.mail.text,
            html=message.mail.html or None,
            attachments=[
                flask_mail.Attachment(file.name, file.content_type, file.content) for file in message.mail.attachments
            ],
        )

    def _mimetext(self, text: str | None, subtype: str = "plain") -> MIMEText:
        """The text in an encoding that every relay takes and that keeps lines short.

        Flask-Mail would send 8-bit lines as long as they are; RFC 5321 allows 998 characters, and
        8-bit only to relays that offer it.
        """
        charset = Charset("utf-8")
        charset.body_encoding = QP if _is_mostly_ascii(text or "") else BASE64
        return MIMEText(text or "", subtype, charset)  # type: ignore[arg-type]

    def _message(self) -> MIMEBase:
        message = super()._message()
        message.policy = policy.compat32  # the only one that takes a header folded already
        for header, value in self.ours.headers().items():
            del message[header]
            message[header] = value
        message.policy = _POLICY_UTF8 if self.ours.needs_smtputf8 else _POLICY
        return message


def _body(text: str) -> tuple[str, bytes]:
    """(its transfer encoding, the text in it): ASCII in short lines, so that every relay takes it."""
    raw = text.replace("\n", "\r\n").encode()
    if _is_mostly_ascii(text):
        return "quoted-printable", binascii.b2a_qp(raw, istext=True)
    return "base64", base64.encodebytes(raw).replace(b"\n", b"\r\n")


def _is_mostly_ascii(text: str) -> bool:
    """Quoted-printable stays readable in the source, base64 is shorter for other scripts."""
    return text.isascii() or len(text.encode("ascii", "ignore")) * 4 >= len(text) * 3


@lru_cache(_REMEMBERED)
def _address(header: str, name: str, address: str) -> str:
    """`"Minister, The" <a@b>`: quoted where it is ASCII, encoded words where it is not."""
    if not name or not address.isascii():
        return address  # encoded words beside raw UTF-8 are read in too many ways
    if _is_plain(name):
        return formataddr((name, address))
    return f"{_folded(header, name)} <{address}>"


@lru_cache(_REMEMBERED)
def _folded(header: str, text: str) -> str:
    if _is_plain(text) and len(header) + 2 + len(text) <= _LINE:
        return text
    return Header(text, "us-ascii" if _is_plain(text) else "utf-8", _LINE, header).encode(linesep="\r\n")


def _is_plain(text: str) -> bool:
    """Whether the text can stand in a header as it is, and is not taken for an encoded word."""
    return text.isascii() and "=?" not in text


def sender_domain() -> str:
    """The domain of our sender: the right side of every Message-ID."""
    return sender_address().rpartition("@")[2]


def sender_address() -> str:
    """Our own address: the `From` of every mail."""
    return _sender()[1]


def _sender() -> tuple[str, str]:
    """(name, address), the domain as A-labels."""
    return _read_sender(current_app.config["MAIL_DEFAULT_SENDER"])


@lru_cache(8)
def _read_sender(text: str) -> tuple[str, str]:
    name, address = parseaddr(text)
    return name, for_envelope(address)
