"""A `Mail` as a Flask-Mail message that every relay and reader takes (RFC 5322, 2047, 6532)."""

from __future__ import annotations

from email import policy
from email.charset import BASE64, QP, Charset
from email.header import Header
from email.mime.base import MIMEBase
from email.mime.text import MIMEText
from email.utils import parseaddr
from typing import Any

from flask import current_app
from flask_mail import Message

from actionkit.addresses import for_envelope
from actionkit.delivery.renderers import Mail

# As they stand: when Python refolds a long header it loses the quotes of a name with a comma.
_POLICY = policy.SMTP.clone(refold_source="none")
_POLICY_UTF8 = policy.SMTPUTF8.clone(refold_source="none")
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
            # Without the name: encoded words and raw UTF-8 in one header are read in too many ways.
            self.utf8_headers[header] = address
            return _PLACEHOLDER
        return (name, address) if name else address

    def _mimetext(self, text: str | None, subtype: str = "plain") -> MIMEText:
        """The text in an encoding that every relay takes and that keeps lines short.

        Flask-Mail would send 8-bit lines as long as they are; RFC 5321 allows 998 characters, and
        8-bit only to relays that offer it.
        """
        return MIMEText(text or "", subtype, _charset_for(text or ""))  # type: ignore[arg-type]

    def _message(self) -> MIMEBase:
        message = super()._message()
        message.policy = _POLICY
        if self.subject:
            message.replace_header("Subject", _folded_subject(self.subject))
        if self.html:
            message.set_type("multipart/mixed")
        if self.utf8_headers:
            message.policy = _POLICY_UTF8
            for header, value in self.utf8_headers.items():
                message.replace_header(header, value)
        return message


def _folded_subject(subject: str) -> str:
    return Header(subject, "us-ascii" if subject.isascii() else "utf-8", 76, "Subject").encode()


def _charset_for(text: str) -> Charset:
    charset = Charset("utf-8")
    # Quoted-printable stays readable in the source, base64 is shorter for other scripts.
    is_mostly_ascii = sum(map(str.isascii, text)) * 4 >= len(text) * 3
    charset.body_encoding = QP if is_mostly_ascii else BASE64
    return charset


def sender_domain() -> str:
    """The domain of our sender: the right side of every Message-ID."""
    return sender_address().rpartition("@")[2]


def sender_address() -> str:
    """The envelope's sender: always ours, never a supporter's."""
    return parseaddr(current_app.config["MAIL_DEFAULT_SENDER"])[1]
