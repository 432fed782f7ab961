"""What a mail that came in says about one of ours: RFC 3464 reports, other bounces, automatic answers.

Reports in the standard's format are read with the standard library, the many others with flufl.bounce.
Nothing here decides whether the mail is genuine: see `return_path`.
"""

from __future__ import annotations

import base64
import binascii
import email
import quopri
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum
from typing import Any

from flufl.bounce import all_failures

from actionkit.delivery.remarks import without_addresses


class Nature(StrEnum):
    """What a mail is, as far as its own words go."""

    FAILED = "failed"
    """It could not be delivered, and nobody tries any longer."""
    DELAYED = "delayed"
    """It is still being tried."""
    DELIVERED = "delivered"
    """It arrived, or went on to where no more is known."""
    AUTOMATIC = "automatic"
    """No person wrote it: out of office, a receipt, a list (RFC 3834)."""
    WRITTEN = "written"
    UNCLEAR = "unclear"
    """A mail server wrote it, and only a person can say what it means."""


@dataclass(frozen=True)
class Reading:
    """A mail as it was understood. `status` is an RFC 3463 code, or "" where none was given."""

    nature: Nature
    status: str = ""
    remark: str = ""
    """What the mail server said, without addresses."""

    @property
    def is_temporary(self) -> bool:
        """Worth another try: 4.x.x, and a mailbox that is full, whatever class its server gave it."""
        return self.status.startswith("4.") or self.status == MAILBOX_FULL

    @property
    def is_about_address(self) -> bool:
        """Whether it is the address that is wrong, and not this message, its size or who sent it."""
        return not self.is_temporary and not _NOT_THE_ADDRESS.match(self.status)


MAILBOX_FULL = "5.2.2"
_NOT_THE_ADDRESS = re.compile(r"5\.([3567]\.|2\.3$)")
"""RFC 3463: 3 the system, 5 the protocol, 6 the contents, 7 policy; 2.3 the message is too long."""

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_DAEMON = re.compile(r"\b(mailer-?daemon|mail-daemon|postmaster|mdaemon)\b", re.IGNORECASE)
_AWAY = re.compile(
    r"^\W*(auto(matic)?[ -]?(reply|response|answer)|out of (the )?office|autoreply|away from|"
    r"abwesen|réponse automatique|respuesta automática|risposta automatica|fuori sede|автоответ)",
    re.IGNORECASE,
)


def read(raw: bytes) -> Reading:
    """Understand a mail. Never raises: what cannot be read is UNCLEAR."""
    try:
        message = email.message_from_bytes(raw)
        return _read(message)
    except Exception as error:  # whatever somebody sent us: a person looks at it
        return Reading(Nature.UNCLEAR, remark=f"cannot be read ({type(error).__name__})")


def _read(message: Message[Any, Any]) -> Reading:
    if _type_of_report(message) == "delivery-status":
        return _by_standard(message) or _by_custom(message) or Reading(Nature.UNCLEAR, remark="a report of no use")
    is_from_daemon = bool(_DAEMON.search(_text(message, "From"))) or _text(message, "Return-Path") == "<>"
    if not is_from_daemon:
        return Reading(Nature.AUTOMATIC if is_automatic(message) else Nature.WRITTEN)
    if _AWAY.match(_text(message, "Subject")):
        return Reading(Nature.AUTOMATIC)
    if reading := _by_custom(message):
        return reading
    if _text(message, "Auto-Submitted").lower().startswith("auto-") and not _DAEMON.search(_text(message, "From")):
        return Reading(Nature.AUTOMATIC)
    return Reading(Nature.UNCLEAR, remark="from a mail server, in no known form")


def _text(message: Message[Any, Any], header: str) -> str:
    return " ".join(str(message.get(header, "")).split())


def is_automatic(message: Message[Any, Any]) -> bool:
    """Whether no person wrote it, by RFC 3834 and by what was usual before it."""
    submitted = _text(message, "Auto-Submitted").lower()
    return (
        submitted not in ("", "no")
        or _text(message, "Precedence").lower() in ("bulk", "junk", "list", "auto_reply")
        or any(name in message for name in ("List-Id", "X-Autoreply", "X-Autorespond", "X-Auto-Reply-From"))
        or _type_of_report(message) != ""
        or _text(message, "Return-Path") == "<>"
        or bool(_AWAY.match(_text(message, "Subject")))
    )


# ---------------------------------------------------------------- the standard: RFC 3464


def _type_of_report(message: Message[Any, Any]) -> str:
    """`delivery-status`, another kind of report, or "" for what is no report (RFC 6522)."""
    if message.get_content_type() != "multipart/report":
        return ""
    return str(message.get_param("report-type", "unknown")).lower()


def _by_standard(message: Message[Any, Any]) -> Reading | None:
    """By the fields of the report; our mails have one recipient, behind whom there may be several."""
    recipients = [_Recipient.of(fields) for fields in _recipients(message)]
    known = [recipient for recipient in recipients if recipient.action]
    if not known:
        return None
    actions = {recipient.action for recipient in known}
    if actions == {"failed"}:
        # Of several it is the mildest that counts: one of them may still be reached.
        mildest = min(known, key=lambda recipient: (not recipient.reading.is_temporary, recipient.reading.status))
        return mildest.reading
    return Reading(Nature.DELAYED if "delayed" in actions else Nature.DELIVERED, known[0].status, known[0].remark)


@dataclass(frozen=True)
class _Recipient:
    action: str
    status: str
    remark: str

    @classmethod
    def of(cls, fields: Message[Any, Any]) -> _Recipient:
        said = _text(fields, "Diagnostic-Code")
        status = _first_status(_text(fields, "Status"))
        if status.endswith(".0.0") or not status:  # the server's own words may know more
            status = _first_status(said) or status
        action = _text(fields, "Action").lower()
        if not action and status:
            action = {"2": "delivered", "4": "delayed", "5": "failed"}[status[0]]
        return cls(action, status, without_addresses(said or status))

    @property
    def reading(self) -> Reading:
        return Reading(Nature.FAILED, self.status, self.remark)


def _first_status(text: str) -> str:
    match = _STATUS.search(text)
    return match[0] if match else ""


def _recipients(message: Message[Any, Any]) -> Iterator[Message[Any, Any]]:
    """The group of fields of each recipient; the first group is about the whole message."""
    for part in message.walk():
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            for fields in _groups(part):
                if "Final-Recipient" in fields or "Original-Recipient" in fields or "Action" in fields:
                    yield fields


def _groups(part: Message[Any, Any]) -> Iterable[Message[Any, Any]]:
    """The groups of fields, which the parser has split already unless they came encoded."""
    encoding = str(part.get("Content-Transfer-Encoding", "")).lower().strip()
    groups: list[Message[Any, Any]] = part.get_payload() if part.is_multipart() else []  # type: ignore[assignment]
    if encoding not in ("base64", "quoted-printable"):
        return groups
    coded = "\n".join(str(group) for group in groups).encode("ascii", "ignore")
    try:
        decoded = base64.b64decode(coded) if encoding == "base64" else quopri.decodestring(coded)
    except binascii.Error:
        return []
    text = decoded.decode("utf-8", "replace").replace("\r\n", "\n")
    return [email.message_from_string(group) for group in re.split(r"\n\s*\n", text.strip())]


# ---------------------------------------------------------------- everybody else


def _by_custom(message: Message[Any, Any]) -> Reading | None:
    """By the forms that flufl.bounce knows, of some dozens of mail servers."""
    temporary, permanent = all_failures(message)
    if not temporary and not permanent:
        return None
    body = _first_text(message)
    found = _first_status(body)
    if permanent:
        status = found if found.startswith("5.") else "5.0.0"
        return Reading(Nature.FAILED, status, _line_with(body, found) or "not delivered")
    status = found if found.startswith("4.") else "4.0.0"
    return Reading(Nature.DELAYED, status, _line_with(body, found) or "not delivered yet")


def _first_text(message: Message[Any, Any]) -> str:
    for part in message.walk():
        if part.get_content_maintype() == "text":
            raw = part.get_payload(decode=True)
            return raw.decode("utf-8", "replace")[:20_000] if isinstance(raw, bytes) else ""
    return ""


def _line_with(text: str, found: str) -> str:
    lines = [line for line in text.splitlines() if found and found in line]
    return without_addresses(lines[0]) if lines else ""


# ---------------------------------------------------------------- of which mail


def returned_ids(raw: bytes, domain: str) -> list[str]:
    """Public ids in Message-IDs of ours that the mail quotes: who knows one has had that mail."""
    pattern = rf"\b([0-9a-f]{{32}})@{re.escape(domain)}(?![\w.-])".encode()
    return list(dict.fromkeys(match.decode() for match in re.findall(pattern, raw)))
