"""A `Mail` as a Flask-Mail message that every relay and reader takes (RFC 5322, 2047, 6532)."""

from __future__ import annotations

from email import policy
from email.charset import BASE64, QP, Charset
from email.header import Header
from email.mime.base import MIMEBase
from email.mime.text import MIMEText
from email.utils import formataddr, parseaddr

import flask_mail
from flask import current_app

from actionkit.addresses import for_envelope
from actionkit.delivery.renderers import Mail

# Headers leave as they are built here: when Python refolds a long one, it loses the quotes around
# a name with a comma, and one official becomes two.
_POLICY = policy.SMTP.clone(refold_source="none")
_POLICY_UTF8 = policy.SMTPUTF8.clone(refold_source="none")
_LINE = 76


class OutgoingMessage(flask_mail.Message):
    """Flask-Mail's message with one recipient and the headers of actionkit.

    Flask-Mail folds encoded names inside quotes and cannot write an address whose local part is
    not ASCII, so `To`, `Reply-To` and `Subject` are written here. An address beyond ASCII needs
    a relay with SMTPUTF8: see `needs_smtputf8`. What cannot be delivered is reported to the envelope's
    sender: `return_path`, or our sender where there is none.
    """

    def __init__(self, mail: Mail, *, message_id: str, date: float, return_path: str = "") -> None:
        self.envelope_sender = return_path or sender_address()
        self.recipient = for_envelope(mail.to[1])
        self.addresses = {"To": (mail.to[0], self.recipient)}
        if mail.reply_to:
            self.addresses["Reply-To"] = (mail.reply_to[0], for_envelope(mail.reply_to[1]))
        super().__init__(
            subject=mail.subject,
            recipients=["recipient@placeholder.invalid"],
            body=mail.text,
            html=mail.html or None,
            date=date,
            attachments=[
                flask_mail.Attachment(file.name, file.content_type, file.content) for file in mail.attachments
            ],
            extra_headers={"Content-Language": mail.language, **mail.headers},
        )
        self.msgId = message_id
        if self.needs_smtputf8:
            self.mail_options = ["SMTPUTF8", "BODY=8BITMIME"]

    @property
    def needs_smtputf8(self) -> bool:
        return not all(address.isascii() for _name, address in self.addresses.values())

    def has_bad_headers(self) -> bool:
        """Flask-Mail's check, for every header that holds what somebody typed."""
        typed = [*self.addresses.values(), *(self.extra_headers or {}).items()]
        return super().has_bad_headers() or any(set("\r\n\0") & set("".join(pair)) for pair in typed)

    def _mimetext(self, text: str | None, subtype: str = "plain") -> MIMEText:
        """The text in an encoding that every relay takes and that keeps lines short.

        Flask-Mail would send 8-bit lines as long as they are; RFC 5321 allows 998 characters, and
        8-bit only to relays that offer it.
        """
        return MIMEText(text or "", subtype, _charset_for(text or ""))  # type: ignore[arg-type]

    def _message(self) -> MIMEBase:
        message = super()._message()
        message.policy = policy.compat32  # the only one that takes a header folded already
        del message["To"]
        for header, (name, address) in self.addresses.items():
            message[header] = _address(header, name, address)
        if self.subject:
            message.replace_header("Subject", _folded("Subject", self.subject))
        message.policy = _POLICY_UTF8 if self.needs_smtputf8 else _POLICY
        return message


def _address(header: str, name: str, address: str) -> str:
    """`"Minister, The" <a@b>`: quoted where it is ASCII, encoded words where it is not."""
    if not name or not address.isascii():
        return address  # encoded words beside raw UTF-8 are read in too many ways
    if _is_plain(name):
        return formataddr((name, address))
    return f"{_folded(header, name)} <{address}>"


def _folded(header: str, text: str) -> str:
    return Header(text, "us-ascii" if _is_plain(text) else "utf-8", _LINE, header).encode()


def _is_plain(text: str) -> bool:
    """Whether the text can stand in a header as it is, and is not taken for an encoded word."""
    return text.isascii() and "=?" not in text


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
    """Our own address: the `From` of every mail."""
    return parseaddr(current_app.config["MAIL_DEFAULT_SENDER"])[1]
