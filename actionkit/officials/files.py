"""The bytes of a file that somebody sent, as text: its encoding found out and said, and what is no text refused."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from flask_babel import gettext

from actionkit.errors import ActionError
from actionkit.languages import gettext_noop

LARGEST_FILE = 5_000_000
"""Bytes. Twenty thousand officials are less, and to read them takes a worker some seconds and 40 MB."""
MOST_ROWS = 20_000

_NO_TEXT = {
    b"PK\x03\x04": gettext_noop("a spreadsheet or another archive"),
    b"\xd0\xcf\x11\xe0": gettext_noop("an old spreadsheet"),
    b"%PDF": gettext_noop("a PDF file"),
    b"\x1f\x8b": gettext_noop("a compressed file"),
}
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class FileRefused(ActionError):
    """Nothing in the file can be read as officials, and why."""


@dataclass(frozen=True)
class Text:
    """A file's text, and the name of the encoding that it was in."""

    text: str
    encoding: str


def decode(raw: bytes) -> Text:
    """The text of a file: UTF-8 or UTF-16, as its marks or its bytes say, else Windows-1252. Raises `FileRefused`."""
    if len(raw) > LARGEST_FILE:
        raise FileRefused(
            gettext("The file is larger than %(n)s MB. Please split it.", n=LARGEST_FILE // 1_000_000), 413
        )
    if not raw.strip():
        raise FileRefused(gettext("The file is empty."))
    for start, what in _NO_TEXT.items():
        if raw.startswith(start):
            said = gettext("This is %(what)s. Please save it as CSV, and send that file.", what=gettext(what))
            raise FileRefused(said)
    text, encoding = _decoded(raw)
    if _CONTROLS.search(text):
        raise FileRefused(gettext("This is no text: it holds control characters. Please save it as CSV in UTF-8."))
    if not text.strip():
        raise FileRefused(gettext("The file is empty."))
    return Text(text, encoding)


def _decoded(raw: bytes) -> tuple[str, str]:
    for encoding, name in _candidates(raw):
        try:
            return raw.decode(encoding), name
        except UnicodeDecodeError:
            continue
    raise FileRefused(gettext("The letters of this file cannot be read. Please save it as CSV in UTF-8."))


def _candidates(raw: bytes) -> tuple[tuple[str, str], ...]:
    if raw.startswith(codecs.BOM_UTF8):
        return (("utf-8-sig", "UTF-8"),)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return (("utf-16", "UTF-16"),)
    # Latin letters in UTF-16 have a NUL each, before them or after; no other encoding of text has any.
    start = raw[:2000]
    if start[1::2].count(0) * 4 > len(start):
        return (("utf-16-le", "UTF-16"),)
    if start[::2].count(0) * 4 > len(start):
        return (("utf-16-be", "UTF-16"),)
    return (("utf-8", "UTF-8"), ("cp1252", "Windows-1252"))
