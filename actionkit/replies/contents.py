"""What is in a mail that came in: its text for a person to read, who wrote it, its files. All of it is foreign."""

from __future__ import annotations

import email
import email.policy
import hashlib
import html
import re
import unicodedata
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import parseaddr
from typing import Any

import nh3

from actionkit.addresses import AddressInvalid, normalise
from actionkit.delivery.renderers import Attachment

LONGEST_TEXT = 50_000
LONGEST_LINE = 300
"""Of a subject or a sender's name."""
MOST_FILES = 5
MOST_FILE_BYTES = 5_000_000
"""Of all files that are passed on together."""

PASSED_ON = {
    "application/pdf": ".pdf",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "text/plain": ".txt",
    "application/msword": ".doc",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}
"""Files of an answer that reach the supporter: letters and pictures of letters, nothing that runs."""


@dataclass(frozen=True)
class Contents:
    """A mail as a person reads it. Nothing in it can break out of a header or of plain text."""

    subject: str
    sender_name: str
    sender_address: str
    """"" where it is none that mail can be sent to."""
    text: str
    is_cut: bool
    files: tuple[Attachment, ...]
    left_out: int
    """Files that are of another kind, or too many or too large together."""


def parse(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def read(raw: bytes, *, is_cut: bool = False) -> Contents:
    """The contents of a mail; of one that was cut off, no files."""
    message = parse(raw)
    name, address = sender(message)
    text = _text(message)
    files, left_out = ((), 1) if is_cut else _files(message)
    return Contents(
        subject=clean_line(_header(message, "Subject")),
        sender_name=name,
        sender_address=address,
        text=text[:LONGEST_TEXT],
        is_cut=is_cut or len(text) > LONGEST_TEXT,
        files=files,
        left_out=left_out,
    )


def sender(message: EmailMessage) -> tuple[str, str]:
    """(name, address) of who wrote it, as the mail itself says.

    Split before it is decoded: a decoded name may hold whatever ends one (RFC 2047, 6.2).
    """
    raw = next((value for name, value in message.raw_items() if name.lower() == "from"), "")
    name, address = parseaddr(" ".join(str(raw).split()))
    try:
        name = str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, ValueError):
        name = ""
    try:
        return clean_line(name), normalise(address)
    except AddressInvalid:
        return clean_line(name), ""


def message_key(raw: bytes) -> str:
    """The same for a mail that a server sent twice: by its Message-ID, or by its bytes where it has none."""
    message_id = _header(parse(raw), "Message-ID").strip()
    return hashlib.sha256(message_id.encode() if message_id else raw).hexdigest()


def _header(message: EmailMessage, name: str) -> str:
    """A header's text; "" where it is missing or cannot be read."""
    try:
        return str(message.get(name, ""))
    except Exception:  # the library's parser of headers fails in many ways on what is no header
        return ""


def clean_line(text: str) -> str:
    """One line without control and formatting characters, at most `LONGEST_LINE` long."""
    kept = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", text))
    return " ".join(kept.split())[:LONGEST_LINE]


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Text with LF, and without characters that hide, reorder or command."""
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"\n{4,}", "\n\n\n", _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", unix)).strip("\n")


def _text(message: EmailMessage) -> str:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    text = _decoded(part)
    return clean_text(_without_markup(text) if part.get_content_subtype() == "html" else text)


def _decoded(part: Message[Any, Any]) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    try:
        return raw.decode(charset, "replace")
    except LookupError:  # a charset that nobody knows
        return raw.decode("utf-8", "replace")


def _without_markup(text: str) -> str:
    """HTML as text: line breaks where its blocks end. nh3 drops scripts and styles with what is in them."""
    broken = re.sub(r"(?i)<(/p|/h[1-6]|/blockquote)\b[^>]*>", r"\n\n<\1>", text)
    broken = re.sub(r"(?i)<(br|/div|/tr|/li)\b[^>]*>", r"\n<\1>", broken)
    return html.unescape(nh3.clean(broken, tags=set())).replace("\N{NO-BREAK SPACE}", " ")


def _files(message: EmailMessage) -> tuple[tuple[Attachment, ...], int]:
    kept: list[Attachment] = []
    left_out = size = 0
    for part in message.iter_attachments() if message.is_multipart() else ():
        kind, raw = part.get_content_type(), part.get_payload(decode=True)
        fits = isinstance(raw, bytes) and len(kept) < MOST_FILES and size + len(raw) <= MOST_FILE_BYTES
        if kind not in PASSED_ON or not fits:
            left_out += 1
            continue
        assert isinstance(raw, bytes)
        size += len(raw)
        # A name of our own: theirs could say another kind than the one that is passed on.
        kept.append(Attachment(f"{len(kept) + 1}{PASSED_ON[kind]}", kind, raw))
    return tuple(kept), left_out
