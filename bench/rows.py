"""A row of the table, and the table: printed line by line, and kept as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

WIDTH = 26


@dataclass(frozen=True)
class Row:
    """A figure beside its limit. All is well where `ratio` is at least `floor`, in every row."""

    name: str
    value: float
    """Requests a second, except where `note` says what else."""
    limit: float
    """The same of what it is compared with, in the same run."""
    ratio: float
    """How near the value comes to the limit: 1 is as good, more is better."""
    floor: float
    aim: float
    cpu_ms: float
    """Processor milliseconds of the web server's processes for a request."""
    load_ms: float = 0.0
    """What the load itself spent on a request, on the same processors."""
    note: str = ""


PRINTED_ONLY = ("load_ms", "note")


HEAD = f"{'':{WIDTH}}{'a second':>10}{'limit':>10}{'ratio':>8}{'floor':>8}{'aim':>8}{'CPU-ms':>9}{'load-ms':>9}"


def line(row: Row) -> str:
    """The row as it is printed, its note on a line of its own; `<` marks one below its floor."""
    mark = "" if row.ratio >= row.floor else "  <"
    numbers = (
        f"{row.value:>10}{row.limit:>10}{row.ratio:>8}{row.floor:>8}{row.aim:>8}{row.cpu_ms:>9}{row.load_ms:>9}{mark}"
    )
    return f"{row.name:{WIDTH}}{numbers}" + (f"\n  {row.note}" if row.note else "")


def keep(rows: list[Row], file: Path) -> None:
    """Write the rows as JSON."""
    kept = [{key: value for key, value in asdict(row).items() if key not in PRINTED_ONLY} for row in rows]
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(kept, indent=1) + "\n")
