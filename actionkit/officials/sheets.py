"""What a file of any kind holds: named columns, and numbered rows of text."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from flask_babel import lazy_gettext as _


class Kind(StrEnum):
    CSV = "csv"
    POPOLO = "popolo"
    CONGRESS = "congress"


NOUNS = {Kind.CSV: "row", Kind.POPOLO: "person", Kind.CONGRESS: "legislator"}
"""What reports call one entry; its number is counted from 1, in a CSV file with the header as row 1."""

KIND_NAMES = {
    Kind.CSV: _("a table (CSV)"),
    Kind.POPOLO: _("Popolo JSON"),
    Kind.CONGRESS: _("legislators of the United States (YAML)"),
}


@dataclass(frozen=True)
class Fault:
    """Why an entry cannot be taken. The field is "" where it is the whole of it."""

    number: int
    field: str
    message: str

    def line(self, kind: Kind) -> str:
        """One line of a report: "row 3: email: this is no e-mail address"."""
        about = f"{self.field}: " if self.field else ""
        return f"{NOUNS[kind]} {self.number}: {about}{self.message}"


@dataclass
class Sheet:
    """A file taken apart, before anything in it is checked."""

    kind: Kind
    header: tuple[str, ...]
    encoding: str = "UTF-8"
    delimiter: str = ""
    rows: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    """Entries that are none."""

    @property
    def count(self) -> int:
        """How many entries the file has."""
        return len(self.rows) + len(self.faults)
