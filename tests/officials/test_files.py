"""Files of officials as people have them: every spelling is read right, and what is none is refused with a reason."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from actionkit import create_app, db
from actionkit.officials import columns, reading
from actionkit.officials.files import LARGEST_FILE, FileRefused
from actionkit.officials.sheets import Kind
from tests.conftest import make_config

SAMPLES = Path(__file__).parent / "samples"
HEADER = ("Name", "E-Mail", "Sprache", "Anschrift")
ROWS = (
    ("Grüße an Ö", "oe@example.org", "Deutsch", "Hauptstraße 1\n10115 Berlin"),
    ('Die "Stelle", Bern', "stelle@example.org", "fr", ""),
)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = create_app(make_config(tmp_path_factory.mktemp("files")))
    yield app
    db.close(app)


@pytest.fixture(autouse=True)
def in_a_request(application: Flask) -> Iterator[None]:
    with application.test_request_context():
        yield


def written(delimiter: str = ",", ending: str = "\r\n") -> str:
    def cell(text: str) -> str:
        quoted = text.replace('"', '""')
        return f'"{quoted}"' if any(c in text for c in f'{delimiter}"\n') else text

    return "".join(delimiter.join(map(cell, row)) + ending for row in (HEADER, *ROWS))


SPELLINGS = {
    "UTF-8": written().encode(),
    "UTF-8 with its mark": written().encode("utf-8-sig"),
    "UTF-16, little end first": b"\xff\xfe" + written().encode("utf-16-le"),
    "UTF-16, big end first": b"\xfe\xff" + written().encode("utf-16-be"),
    "UTF-16 without a mark": written("\t").encode("utf-16-le"),
    "Windows-1252, semicolons": written(";").encode("cp1252"),
    "tabs": written("\t").encode(),
    "bars, lines ended by LF": written("|", "\n").encode(),
    "lines ended by CR alone": written(";", "\r").encode(),
    "a line that tells the separator": b"sep=;\r\n" + written(";").encode(),
    "empty cells and lines at the end": (
        written().replace("Anschrift\r\n", "Anschrift,,\r\n") + ",,,\r\n\r\n"
    ).encode(),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_tables_of_any_spelling(name: str) -> None:
    sheet = reading.open_sheet(SPELLINGS[name])
    read = reading.read(sheet, reading.guess(sheet))
    assert read.faults == []
    first, second = (entry.record for entry in read.entries)
    assert (first.name, first.language, first.emails) == ("Grüße an Ö", "de", ("oe@example.org",))
    assert first.postal_address == "Hauptstraße 1, 10115 Berlin", "several lines of a cell become one"
    assert (second.name, second.language, second.salutation) == ('Die "Stelle", Bern', "fr", None)
    wanted = "Windows-1252" if "1252" in name else name[:6].rstrip(",") if name.startswith("UTF") else "UTF-8"
    assert sheet.encoding == ("UTF-8" if name.startswith("UTF-8") else wanted)


PERSON = "office,organisation,country"
HEADINGS = {
    "id,name,salutation,office,organisation,country,language,email,address,timezone,mode": "",
    "ID;Vorname;Name;Amt;Behörde;Land;E-Mail-Adresse": f"id,first_name,last_name,{PERSON},email",
    "Cognome\tNome\tIncarico\tEnte\tPaese\tLingua\tPEC": f"last_name,first_name,{PERSON},language,email",
    "Prénom,Nom,Fonction,Organisme,Pays,Langue,Courriel": f"first_name,last_name,{PERSON},language,email",
    "Nombre,Apellidos,Cargo,Institución,País,Correo electrónico": f"first_name,last_name,{PERSON},email",
    "NOME,e_mail,Telefono,E-Mail": "name,email,,",
    "Full Name,Contact,Postal Address": "name,email,address",  # by what stands in it
}


@pytest.mark.parametrize("heading", HEADINGS)
def test_columns_are_guessed_in_five_languages(heading: str) -> None:
    delimiter = next(each for each in ",;\t" if each in heading)
    cells = heading.split(delimiter)
    assert columns.guess(cells, [["x", "a@example.org", *["y"] * 9]]) == (HEADINGS[heading] or heading).split(",")
    sheet = reading.open_sheet(f"{heading}\n{delimiter.join(['x'] * len(cells))}\n".encode())
    assert sheet.header == tuple(cells)


def test_faults_name_their_row_and_field() -> None:
    rows = [
        "name,email,language,country,address",
        "Good One,one@example.org,en,Italy,Rome",
        "Bad Address,a b@example.org,en,IT,",
        "",
        "=cmd|x,four@example.org,en,IT,",
        "Cut,five@example.org",
        "Nowhere,six@example.org,en,Atlantis,",
        "Ann\rBcc: x,seven@example.org,en,IT,",
        "Good One,ONE@example.org,en,IT,",
        "{{ config }},nine@example.org,en,,",
        "No Language,ten@example.org,,,",
        "Good Two,two@example.org; second@example.org,Italiano,italia,",
    ]
    sheet = reading.open_sheet("\n".join(rows).replace("Ann\r", '"Ann\r').replace("x,seven", 'x",seven').encode())
    read = reading.read(sheet, reading.guess(sheet))
    assert {fault.number: fault.field for fault in read.faults} == {
        3: "email", 5: "name", 6: "", 7: "country", 8: "name", 9: "email", 10: "name", 11: "language"
    }  # fmt: skip
    assert read.faults[0].line(Kind.CSV) == "row 3: email: this is no e-mail address"
    assert [(entry.number, entry.record.country) for entry in read.entries] == [(2, "IT"), (12, "IT")]
    assert read.entries[1].record.emails == ("two@example.org", "second@example.org")
    with_default = reading.read(sheet, replace(read.choices, language="fr", country="BE"))
    assert [(e.record.language, e.record.country) for e in with_default.entries][1] == ("fr", "BE")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n", "empty"),
        (b"PK\x03\x04rest of an xlsx", "save it as CSV"),
        (b"\x1f\x8b\x08bomb", "save it as CSV"),
        (bytes(range(128)) * 10, "control characters"),
        (b"name,email\nA\0nn,a@example.org", "control characters"),
        (b"\x81\x8d\x8f,\x90\x9d", "cannot be read"),
        (b'name,email\n"Ann,a@example.org\n', "row 2"),
        (b"name,email\n" + b"x" * 200_000 + b",a@example.org\n", "field larger"),
        (b"Ann,ann@example.org\n", "must name the columns"),
        (b"a," * 300, "columns"),
        (b"x\n" * 1_000_001, "rows"),
        (b"a" * (LARGEST_FILE + 1), "larger than 5 MB"),
        (b"[" * 100_000, "JSON"),
        (b'{"persons": {"a": 1}}', "list of persons"),
        (b"- name: &a [x]\n  terms: [*a, *a]\n", "aliases"),
        (b"- name: " + b"[" * 200 + b"\n", "nested"),
        (b"- id: {bioguide: 'X\n", "line"),
        (b"- name: !!python/object/apply:os.system [ls]\n  terms: []\n- id: '\n", "line"),
    ],
)
def test_what_is_no_such_file_is_refused_soon(raw: bytes, words: str) -> None:
    began = time.process_time()
    tracemalloc.start()
    with pytest.raises(FileRefused, match=words):
        reading.open_sheet(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000, f"{peak:,} bytes"
    assert time.process_time() - began < 5


def test_a_column_that_is_missing_is_one_fault() -> None:
    sheet = reading.open_sheet(b"name,office,language\nAnn,x,en\nBea,y,en\n")
    (fault,) = reading.read(sheet, reading.guess(sheet)).faults
    assert fault.line(Kind.CSV) == "row 1: email: the column email is missing"


def test_popolo_persons_with_the_membership_in_force() -> None:
    sheet = reading.open_sheet((SAMPLES / "popolo.json").read_bytes())
    read = reading.read(sheet, replace(reading.guess(sheet), language="it"))
    ada, carla = (entry.record for entry in read.entries)
    assert (ada.slug, ada.name, ada.office, ada.organisation) == (
        "5a7b-01",
        "Ada Prova",
        "Senator",
        "Senate of Nowhere",
    )
    assert ada.emails == ("ada.prova@example.org", "segreteria.prova@example.org")
    assert (ada.country, ada.postal_address) == ("IT", "Piazza Esempio 1, 00186 Roma")
    assert (carla.name, carla.office, carla.emails) == ("Carla Tentativo", "Clerk", ("carla@example.org",))
    assert carla.country == "IT"
    assert [values["name"] for _number, values in read.without_address] == ["Bruno Saggio"]
    assert [(fault.number, fault.field) for fault in read.faults] == [(4, "name"), (5, "")]


def test_legislators_have_no_address_and_are_to_be_filled_in() -> None:
    sheet = reading.open_sheet((SAMPLES / "legislators.yaml").read_bytes())
    read = reading.read(sheet, reading.guess(sheet))
    assert read.entries == []
    assert [fault.line(Kind.CONGRESS) for fault in read.faults] == [
        "legislator 3: terms: is no longer in office, since 1993-01-03"
    ]
    jane, john = reading.to_fill(read)
    assert (jane["id"], jane["name"], jane["salutation"]) == ("us-x000001", "Jane Q. Sample", "Dear Senator Sample")
    assert (jane["office"], jane["country"]) == ("Senator for NO", "US")
    assert (john["office"], john["address"]) == ("Representative for WA-7", "2 Sample HOB")
