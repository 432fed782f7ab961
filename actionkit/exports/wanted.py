"""What staff ask a file of signatures to hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from actionkit.signing.models import SignatureState

COLUMNS = (
    "signature_id",
    "name",
    "email",
    "country",
    "postcode",
    "comment",
    "show_name",
    "updates",
    "state",
    "signed_at",
    "confirmed_at",
    "language",
    "source",
)
"""All there are, in the order in which they always stand."""
ALL = "all"
STATES = (*SignatureState, ALL)


@dataclass(frozen=True)
class Wanted:
    """Which signatures, which of their columns, and how the file is written. What is empty asks for all."""

    state: str = SignatureState.CONFIRMED.value
    columns: tuple[str, ...] = COLUMNS
    country: str = ""
    language: str = ""
    """The tag of the page that was signed."""
    signed_from: dt.datetime | None = None
    signed_before: dt.datetime | None = None
    bom: bool = False
    gz: bool = False

    @property
    def ending(self) -> str:
        return ".csv.gz" if self.gz else ".csv"

    @property
    def is_filtered(self) -> bool:
        """Whether it asks for more than a state."""
        return bool(self.country or self.language or self.signed_from or self.signed_before)

    def stored(self) -> dict[str, Any]:
        """As JSON takes it, without what is as it always is: for a row, and for the audit trail."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {"state": self.state, **{name: _as_json(value) for name, value in values.items()}}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Wanted:
        known = {f.name: stored[f.name] for f in fields(cls) if f.name in stored}
        for name in ("signed_from", "signed_before"):
            if name in known:
                known[name] = dt.datetime.fromisoformat(known[name])
        if "columns" in known:
            known["columns"] = tuple(known["columns"])
        return cls(**known)


def _as_json(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
