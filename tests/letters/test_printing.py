"""Letters on paper: the words of the mail in every script, tagged, and never read as markup."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest
from flask import Flask

from actionkit import languages
from actionkit.campaigns.models import Official
from actionkit.letters import printing
from actionkit.letters.compose import Letter, Sender
from actionkit.letters.printing import CannotBePrinted, PrinterBusy, Sheet, postal_lines, sheet_of
from tests.conftest import make_config

DAY = dt.date(2026, 11, 24)
MARKUP = """#evil(1) *x* _y_ $z$ `raw` [a] @ref <label> \\ // c = h
- item
+ one
= head
#set page(width: 1pt)
"q" --- ~ {1} \\u{41}"""

SCRIPTS = {
    "en": (
        "Ann Example",
        "Dear Minister,\n\nour water is unsafe, 7 > 3: an efficient affair.\nAct now.\n\nAnn Example",
    ),
    "ar": ("آن مثال", "معالي الوزير،\n\nالمياه غير آمنة منذ 3 سنوات.\nنطلب منكم النشر.\n\nآن مثال"),
    "hi": ("ऐन उदाहरण", "माननीय मंत्री जी,\n\nहमारे शहर का पानी असुरक्षित है।\nकृपया कार्रवाई करें।\n\nऐन उदाहरण"),
    "zh": ("安示例", "尊敬的部长：\n\n我们城市的水不安全。\n请立即采取行动。\n\n安示例"),
}
DATES = {"en": "November 24, 2026", "ar": "نوفمبر", "hi": "24 नवंबर 2026", "zh": "2026年11月24日"}


@pytest.fixture(scope="module", autouse=True)
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """As much of an application as printing needs; its folder."""
    app = Flask("actionkit")
    config = make_config(tmp_path_factory.mktemp("printing"))
    app.config["ACTIONKIT"] = config
    languages.init_app(app)
    with app.test_request_context():
        yield config.instance


def official(**changed: str) -> Official:
    given = {
        "slug": "it-water",
        "name": "Maria Acqua",
        "office": "Minister of Water",
        "organisation": "Government of Italy",
        "country": "IT",
        "language": "en",
        "email": "water@example.org",
        "postal_address": "Via Acqua 1, 00184 Roma",
    }
    return Official(**given | changed)


def a_sheet(body: str, *, language: str = "en", name: str = "Ann Example", reference: str = "") -> Sheet:
    return sheet_of(Letter(official(), language, "Water", body), Sender(name=name, country="IT"), DAY, reference)


def typeset_whole(*sheets: Sheet) -> bytes:
    return printing.typeset_whole(printing.order(sheets, "Letters"), patience=10)


def printed(*sheets: Sheet) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(typeset_whole(*sheets)))


def text_of(pdf: pypdf.PdfReader) -> str:
    return "\n".join(page.extract_text() for page in pdf.pages)


def squeezed(text: str) -> str:
    """Without white space, direction marks and ligatures: what a reader of a PDF may lose or add."""
    text = unicodedata.normalize("NFKC", text)
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf")


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext, of the package poppler-utils")
@pytest.mark.parametrize("language", SCRIPTS)
def test_the_words_of_the_letter_are_on_the_sheet(language: str, tmp_path: Path) -> None:
    """As a screen reader has them: pypdf knows nothing of the texts that stand for glyphs (ActualText)."""
    name, body = SCRIPTS[language]
    sheet = a_sheet(body, language=language, name=name)
    (tmp_path / "letter.pdf").write_bytes(typeset_whole(sheet))
    run = subprocess.run(["pdftotext", tmp_path / "letter.pdf", "-"], capture_output=True, text=True, check=True)
    text = squeezed(run.stdout)
    for part in (*body.split("\n"), *DATES[language].split(), "Via Acqua 1", "00184 Roma"):
        assert squeezed(part) in text, part
    assert text.count(squeezed(name)) == 3, "the sender, the end of the letter, and below the line to sign on"


def test_a_pdf_is_tagged_and_says_its_language_and_title() -> None:
    pdf = printed(a_sheet("Dear Minister,"))
    root = pdf.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "en"
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Letters"
    assert "/H1" in tags(root["/StructTreeRoot"])


def tags(element: object) -> set[str]:
    """The kinds of the structure's elements, from the root down."""
    element = element.get_object() if hasattr(element, "get_object") else element
    if isinstance(element, list):
        return set().union(*map(tags, element))
    if not isinstance(element, dict):
        return set()
    return {str(element.get("/S"))} | tags(element.get("/K"))


def test_nothing_that_people_write_is_markup() -> None:
    pdf = printed(a_sheet(MARKUP, name="#evil(1) *Ann*"))
    (page,) = pdf.pages
    text = squeezed(page.extract_text())
    assert round(page.mediabox.width) == 595  # A4
    for line in (*MARKUP.split("\n"), "#evil(1) *Ann*"):
        assert squeezed(line) in text, line


def test_line_breaks_are_kept() -> None:
    lines = [line.strip() for line in text_of(printed(a_sheet("one\n    two\nthree\n\n\n\nfour"))).split("\n")]
    assert lines[lines.index("one") :][:4] == ["one", "two", "three", "four"]


def test_a_long_letter_numbers_its_own_pages() -> None:
    pdf = printed(a_sheet("Short."), a_sheet("word " * 1_500), a_sheet("Short."))
    numbers = [page.extract_text().strip().rsplit("\n", 1)[-1] for page in pdf.pages]
    assert len(pdf.pages) == 5
    assert numbers[1:4] == ["1 / 3", "2 / 3", "3 / 3"]
    assert not any("/" in page.extract_text() for page in (pdf.pages[0], pdf.pages[4]))


def test_what_no_font_has_is_left_out_and_said() -> None:
    unknown = a_sheet("hieroglyph \U00013000", reference="abc123")
    known = a_sheet("with a heart \u2764\ufe0f, a check \u2713 and a smile \U0001f600")
    done = printing.typeset(printing.order([known, unknown, known], "Letters"), patience=10)
    pdf = pypdf.PdfReader(io.BytesIO(done.pdf))
    assert done.left_out == [1]
    assert len(pdf.pages) == 3
    assert "abc123" in pdf.pages[2].extract_text()
    with pytest.raises(CannotBePrinted):
        typeset_whole(unknown)


def test_one_prints_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with printing._one_at_a_time, pytest.raises(PrinterBusy):
        printing.typeset(printing.order([a_sheet("x")], "Letters"), patience=0.01)
    printed(a_sheet("x"))


def test_a_failure_quotes_nobody(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(printing, "TYPESETTER", Path(__file__).with_name("no such file.py"))
    with pytest.raises(RuntimeError, match="the typesetter failed"):
        typeset_whole(a_sheet("a secret"))
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("changed", "country", "wanted"),
    [
        ({}, "IT", ["Maria Acqua", "Minister of Water", "Government of Italy", "Via Acqua 1", "00184 Roma"]),
        (
            {"name": "The Minister of Water"},
            "IN",
            ["The Minister of Water", "Government of Italy", "Via Acqua 1", "00184 Roma", "Italy"],
        ),
        (
            {"postal_address": "c/o Rossi, Bianchi\nVia Acqua 1\nItaly", "office": "", "organisation": ""},
            "IN",
            ["Maria Acqua", "c/o Rossi, Bianchi", "Via Acqua 1", "Italy"],
        ),
        ({"postal_address": ""}, "IT", ["Maria Acqua", "Minister of Water", "Government of Italy"]),
    ],
)
def test_the_address_is_what_an_envelope_needs(changed: dict[str, str], country: str, wanted: list[str]) -> None:
    assert postal_lines(official(**changed), Sender(name="Ann", country=country), "en") == wanted
