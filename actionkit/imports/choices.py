"""How a file is to be read, and on what basis its signatures stand: as staff say, or as it is guessed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask_babel import lazy_gettext as _

from actionkit.tables import plain

FIELDS = {
    "name": _("Name"),
    "first_name": _("First name"),
    "last_name": _("Last name"),
    "email": _("E-mail address"),
    "country": _("Country"),
    "postcode": _("Postcode"),
    "comment": _("Comment"),
    "signed_on": _("Day of signing"),
    "show_name": _("May be named"),
    "updates": _("Wants updates"),
}
"""What a column may hold. The first and last name make one together."""

_HEADINGS = {
    "name": "name fullname supporter signatory nome nomecompleto nominativo nomcomplet nombrecompleto vollername",
    "first_name": "firstname givenname forename vorname prenom nombre",
    "last_name": "lastname surname familyname nachname familienname cognome nom nomdefamille apellido apellidos",
    "email": "email mail emailaddress mailaddress emailadresse mailadresse indirizzoemail postaelettronica courriel "
    "adresseemail correo correoelectronico",
    "country": "country countrycode land paese stato nazione pays pais",
    "postcode": "postcode postalcode zip zipcode plz postleitzahl cap codepostal codigopostal",
    "comment": "comment comments message note kommentar commento commentaire comentario",
    "signed_on": "signedat signedon signeddate date createdat signaturedate datum datadifirma data fecha",
    "show_name": "showname public ispublic",
    "updates": "updates optin emailoptin newsletter subscribe subscribed",
}
_FIELD_OF = {heading: field for field, headings in _HEADINGS.items() for heading in headings.split()}


class Basis(StrEnum):
    """On what the signatures stand."""

    PAPER = "paper"
    TOOL = "tool"


BASIS_NAMES = {
    Basis.PAPER: _("They signed on paper, and the sheet said what their data is for"),
    Basis.TOOL: _("They signed with another tool, whose page said what their data is for"),
}


@dataclass(frozen=True)
class Choices:
    """Everything that staff say about a file before it is checked."""

    fields: tuple[str, ...] = ()
    """Of each column, one of `FIELDS`; "" = it is left out."""
    country: str = ""
    """Of rows that name none; "" = they are faulty."""
    language: str = ""
    basis: str = ""
    wording: str = ""
    """The words that people agreed to."""
    updates_wording: str = ""
    """The words beside the tick for updates; "" = nobody was asked."""
    signed_on: str = ""
    """The day, ISO 8601, of rows that have none."""
    counts: bool = False
    """Whether staff state that the basis allows to count them as confirmed."""
    letters: bool = False
    """Whether letters go to the officials in their names."""

    def stored(self) -> dict[str, Any]:
        return {**vars(self), "fields": list(self.fields)}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Choices:
        return cls(**{**stored, "fields": tuple(stored.get("fields", ()))})

    @property
    def day(self) -> dt.date:
        return dt.date.fromisoformat(self.signed_on)

    @property
    def lacks(self) -> list[str]:
        """The fields that no column gives and no default fills in."""
        has_name = "name" in self.fields or {"first_name", "last_name"} <= set(self.fields)
        lacking = [] if has_name else ["name"]
        lacking += [] if "email" in self.fields else ["email"]
        return lacking if self.country or "country" in self.fields else [*lacking, "country"]


def guess(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The field of each column, by its heading, or by what stands in it; "" for one that is none. No field twice."""
    found: list[str] = []
    for heading in header:
        field = _FIELD_OF.get(plain(heading), "")
        found.append("" if field in found else field)
    if "last_name" in found and "first_name" not in found and "name" not in found:
        found[found.index("last_name")] = "name"
    if "email" not in found:
        for n, field in enumerate(found):
            cells = [row[n] for row in rows if row[n].strip()]
            if not field and cells and sum("@" in cell for cell in cells) * 2 > len(cells):
                found[n] = "email"
                break
    return tuple(found)
