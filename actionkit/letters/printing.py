"""Letters on paper, for those who post them: exactly what the mail says, as a tagged PDF (PDF/UA-1)."""

from __future__ import annotations

import datetime as dt
import json
import logging
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from babel import Locale, dates
from flask import current_app
from flask_babel import gettext
from flask_babel import lazy_gettext as _

from actionkit import countries, languages
from actionkit.campaigns.models import Official
from actionkit.errors import ActionError
from actionkit.letters.compose import Letter, Sender

log = logging.getLogger(__name__)

TYPESETTER = Path(__file__).with_name("typesetter.py")
FONT_FOLDER = "fonts"
"""In the instance folder: fonts that an owner adds, for scripts that ours lack."""
LONGEST_SECONDS = 120

_one_at_a_time = threading.BoundedSemaphore(1)
"""In each web process: a volume takes a processor for a second or two."""


class CannotBePrinted(ActionError):
    """A letter with a character that no font here has. It is not printed with a hole in it."""

    def __init__(self) -> None:
        super().__init__(_("A letter holds characters that no font of this installation has."), 409)


class PrinterBusy(ActionError):
    def __init__(self) -> None:
        super().__init__(_("Others are printing at the moment. Please try again in a minute."), 503)


@dataclass(frozen=True)
class Lines:
    """Lines as they are, and whether they run from right to left."""

    lines: tuple[str, ...]
    is_rtl: bool


@dataclass(frozen=True)
class Sheet:
    """A letter as the typesetter takes it. `reference` is what staff find its signature by."""

    language: str
    """The primary subtag; `region` is the one that tells Brazil from Portugal, where there is one."""
    region: str | None
    is_rtl: bool
    sender: Lines
    recipient: Lines
    date: str
    subject: str
    paragraphs: tuple[Lines, ...]
    name: str
    reference: str


def sheet_of(letter: Letter, sender: Sender, written_on: dt.date, reference: str = "") -> Sheet:
    """A finished letter with what only paper needs."""
    language, *subtags = letter.language.split("-")
    is_rtl = languages.direction(letter.language) == "rtl"
    return Sheet(
        language=language,
        region=next((tag.upper() for tag in subtags if len(tag) == 2), None),
        is_rtl=is_rtl,
        sender=_lines([sender.name, sender.country_in(letter.language)], is_rtl),
        recipient=_lines(postal_lines(letter.official, sender, letter.language), is_rtl),
        date=_long_date(written_on, letter.language),
        subject=letter.subject,
        paragraphs=tuple(_lines(part.split("\n"), is_rtl) for part in letter.body.split("\n\n")),
        name=sender.name,
        reference=reference,
    )


def postal_lines(official: Official, sender: Sender, language: str) -> list[str]:
    """The official as an envelope names her: name, office, organisation, address, and the country from abroad.

    An office that the name says already is left out. An address in one line is cut at its commas.
    """
    address = official.postal_address.strip()
    parts = address.split("\n") if "\n" in address else address.split(", ")
    if official.country != sender.country:
        parts.append(countries.name(official.country, language))
    office = "" if official.office.casefold() in official.name.casefold() else official.office
    named = [official.name, office, official.organisation, *(part.strip() for part in parts)]
    return list(dict.fromkeys(part for part in named if part))


def _long_date(day: dt.date, language: str) -> str:
    return dates.format_date(day, format="long", locale=Locale.parse(language, sep="-"))


def _lines(lines: Sequence[str], is_rtl: bool) -> Lines:
    """In the direction of their first letter that has one (UAX 9, P2), as a mail reader does it."""
    for character in "".join(lines):
        kind = unicodedata.bidirectional(character)
        if kind in ("L", "R", "AL"):
            return Lines(tuple(lines), kind != "L")
    return Lines(tuple(lines), is_rtl)


@dataclass(frozen=True)
class Printed:
    """A PDF, and the places of the sheets that are not in it, since a font lacks some of their characters."""

    pdf: bytes
    left_out: list[int]


def order(sheets: Sequence[Sheet], title: str) -> bytes:
    """What the typesetter is told; from then on nothing of the request or the database is needed."""
    font_folder: Path = current_app.config["ACTIONKIT"].instance / FONT_FOLDER
    given = {
        "title": title,
        "language": languages.interface_locale(languages.current()),
        "letters": [asdict(sheet) for sheet in sheets],
        "font_folders": [str(font_folder)] if font_folder.is_dir() else [],
        "remark": {
            "heading": gettext("Not printed"),
            "text": gettext(
                "The letters of these signatures hold characters that no font of this installation has. "
                "docs/printing.md says how to add one."
            ),
        },
    }
    return json.dumps(given).encode()


def typeset(ordered: bytes, *, patience: float) -> Printed:
    """One PDF of an `order`, in a process of its own, at most `LONGEST_SECONDS` long.

    Waits while another is at it, but only for `patience` seconds: then it raises `PrinterBusy`.
    Sheets that cannot be printed are left out, and a last page says so, in the language of the page.
    """
    if not _one_at_a_time.acquire(timeout=patience):
        raise PrinterBusy
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(TYPESETTER)],
            input=ordered,
            capture_output=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    finally:
        _one_at_a_time.release()
    if done.returncode:
        log.error("not printed", extra={"status": done.returncode})
        raise RuntimeError("the typesetter failed")
    left_out, _break, pdf = done.stdout.partition(b"\n")
    return Printed(pdf, json.loads(left_out))


def typeset_whole(ordered: bytes, *, patience: float) -> bytes:
    """The same where no sheet may be missing: raises `CannotBePrinted`."""
    printed = typeset(ordered, patience=patience)
    if printed.left_out:
        raise CannotBePrinted
    return printed.pdf
