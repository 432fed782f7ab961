"""Which column of a foreign file is what: guessed from its heading, in five languages, and from what stands in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from flask_babel import lazy_gettext as _

FIELDS = {
    "id": _("Id"),
    "name": _("Name"),
    "first_name": _("First name"),
    "last_name": _("Last name"),
    "salutation": _("Salutation"),
    "office": _("Office"),
    "organisation": _("Organisation"),
    "country": _("Country"),
    "language": _("Language"),
    "email": _("E-mail address"),
    "address": _("Postal address"),
    "timezone": _("Time zone"),
    "mode": _("Mode"),
    "other_emails": _("Other e-mail addresses"),
}
"""What a column may hold. The names are those of `officials.csv`; the first and last name make one together."""

_HEADINGS = {
    "id": "id slug officialid identifier kennung identificativo identifiant identificador",
    "name": "name fullname officialname official nome nomecompleto nominativo nomcomplet nombrecompleto vollername",
    "first_name": "firstname givenname forename vorname prenom nomedibattesimo",
    "last_name": "lastname surname familyname nachname familienname cognome nomdefamille apellido apellidos",
    "salutation": "salutation greeting anrede briefanrede appellativo saluto formuladisaluto civilite formuledappel "
    "saludo tratamiento",
    "office": "office position role function jobtitle post amt funktion stelle carica ruolo incarico ufficio fonction "
    "poste charge cargo puesto funcion",
    "organisation": "organisation organization institution body ministry company ente organizzazione istituzione "
    "ministero behorde ministerium organisme ministere organizacion institucion ministerio organismo",
    "country": "country countrycode nation land landercode laendercode staat paese nazione pays codepays pais "
    "codigodepais",
    "language": "language lang languagecode locale sprache lingua langue idioma",
    "email": "email mail emailaddress mailaddress emailadresse mailadresse indirizzoemail indirizzomail "
    "postaelettronica pec courriel adresseemail adressemail adresseelectronique correo correoelectronico "
    "direcciondecorreo",
    "address": "address postaladdress mailingaddress street adresse anschrift postanschrift indirizzo "
    "indirizzopostale adressepostale direccion direccionpostal domicilio",
    "timezone": "timezone tz zeitzone fusoorario fuseauhoraire zonahoraria husohorario",
    "mode": "mode modus modalita modo",
    "other_emails": "otheremails otheremail email2 secondemail weitereemails weitereemailadressen altreemail "
    "autresemails autrescourriels otroscorreos",
}
_FIELD_OF = {heading: field for field, headings in _HEADINGS.items() for heading in headings.split()}

# Words that mean the whole name, unless a column for the other half of it stands beside.
_HALVES = (("nome", "first_name", "last_name"), ("nombre", "first_name", "last_name"))
_OTHER_HALVES = (("nom", "last_name", "first_name"), ("name", "last_name", "first_name"))
_LOOKED_AT = 50


def guess(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The field of each column, "" for one that is none of them; no field twice."""
    words = [plain(heading) for heading in header]
    found = [_FIELD_OF.get(word, "") for word in words]
    for word, half, other in (*_HALVES, *_OTHER_HALVES):
        if word in words:
            found[words.index(word)] = half if other in found and half not in found else "name"
    seen: set[str] = set()
    for n, field in enumerate(found):
        found[n] = "" if field in seen else field
        seen.add(field)
    if "email" not in seen and (column := _with_addresses(found, rows)) is not None:
        found[column] = "email"
    return found


def _with_addresses(found: Sequence[str], rows: Sequence[Sequence[str]]) -> int | None:
    """The first column without a field in which most cells look like addresses."""
    for n, field in enumerate(found):
        cells = [row[n] for row in rows[:_LOOKED_AT] if n < len(row) and row[n].strip()]
        if not field and cells and sum("@" in cell for cell in cells) * 2 > len(cells):
            return n
    return None


def plain(heading: str) -> str:
    """A heading without capitals, accents, blanks and signs: "E-Mail " and "e_mail" are one."""
    letters = unicodedata.normalize("NFKD", heading.casefold())
    return re.sub(r"[\W_]+", "", "".join(c for c in letters if not unicodedata.combining(c)))
