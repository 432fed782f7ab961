"""A new user: from an empty installation to a published campaign in two languages, in the browser alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.journeys.browser import Visitor, world
from tests.journeys.product import wait_until

pytestmark = pytest.mark.browser

TEN_MINUTES = 600
TABLE = """\
Nome;Appellativo;Carica;Lingua;E-mail
Maria Rossi;Gentile Ministra;Ministra dell'Acqua;it;rossi@acqua.example
Paolo Bianchi;Gentile Ministro;Ministro della Salute;it;bianchi@salute.example
Anna Verdi;Gentile Presidente;Regione Lazio;it;verdi@lazio.example
Luca Neri;Gentile Sindaco;Sindaco di Roma;it;neri@roma.example
John Green;Dear Commissioner;European Commissioner;en;green@europe.example
"""
NAMES = ("Anna Verdi", "John Green", "Luca Neri", "Maria Rossi", "Paolo Bianchi")


def _import_officials(pia: Visitor, folder: Path) -> None:
    """A table as a spreadsheet in Italy saves it: semicolons, UTF-16, columns named in Italian."""
    table = folder / "officials.csv"
    table.write_text(TABLE, encoding="utf-16")
    pia.go("/staff/officials")
    pia.follow("Import a list")
    pia.page.set_input_files("input[type=file]", table)
    pia.press("Look at it")
    pia.press("Store all 5 officials")


def test_from_nothing_to_a_published_campaign_in_under_ten_minutes(tmp_path: Path) -> None:
    began = time.monotonic()
    with world(tmp_path, is_empty=True) as on, on.visitor(is_staff=True) as pia:
        link = on.site.command("staff", "add", "pia@desk.example", "--role", "admin").strip().splitlines()[-1]
        page = pia.go(link)
        pia.press("Sign in")
        pia.follow("Make a program, and a campaign in it.")
        pia.follow("Make a program")
        page.get_by_label("Title").fill("Clean water")
        pia.press("Make the program")
        _import_officials(pia, tmp_path)

        pia.go("/staff/programs")
        pia.follow("New campaign")
        page.fill("#title", "Protect the springs")
        page.select_option("#country", "IT")
        pia.press("Make the draft")
        edit = pia.path()
        assert edit == "/staff/campaigns/protect-the-springs/edit"
        page.select_option("#new_language", "it")
        pia.press("Add the language")
        page.fill("#text-en-summary", "The springs need a law.")
        page.fill("#text-en-body", "The springs are **drying up**.")
        page.fill("#text-it-title", "Proteggere le sorgenti")
        page.fill("#text-it-summary", "Le sorgenti hanno bisogno di una legge.")
        page.fill("#text-it-body", "Le sorgenti si stanno prosciugando.")
        preview = page.locator("#preview")
        # The preview follows what is typed, in the language of the column.
        preview.locator("text=prosciugando").wait_for(timeout=30_000)
        _write_letter(pia, "en", "Please protect the springs", "Please protect the springs of Italy.")
        _write_letter(pia, "it", "Proteggete le sorgenti", "Proteggete le sorgenti d'Italia.")
        for name in NAMES:
            page.get_by_label(name).check()
        page.fill("#goal", "5000")
        pia.check()
        pia.press("Save")
        assert [row.inner_text() for row in page.locator(".seats bdi").all()] == list(NAMES)
        assert "Gentile Ministra" in (preview.text_content() or "")

        pia.follow("Open and close")
        assert "Nothing speaks against it." in page.locator("main").inner_text()
        pia.check()
        pia.press("Publish")
        pia.follow("Public page")
        assert pia.path() == "/campaigns/protect-the-springs"
        letters = pia.letters()
        assert {letter.language for letter in letters} == {"en", "it"}
        assert len(letters) == 5
        taken = time.monotonic() - began
        assert taken < TEN_MINUTES, f"{taken:.0f} s"

        # What is typed is kept by itself, and does not leave with a closed window.
        pia.go(edit)
        page.fill("#text-en-title", "Protect all springs")
        wait_until(lambda: "is kept for you" in page.locator("[data-status]").inner_text(), 15, "the draft")
        pia.go(edit)
        assert page.input_value("#text-en-title") == "Protect the springs"
        pia.follow("Go on with it")
        assert page.input_value("#text-en-title") == "Protect all springs"
        pia.walk_with_tab()
        pia.press("Save")


def _write_letter(pia: Visitor, tag: str, subject: str, body: str) -> None:
    """With the placeholders' buttons, by keyboard."""
    page = pia.page
    page.fill(f"#text-{tag}-subject", subject)
    page.focus(f"#text-{tag}-template")
    for before, title in (
        ("", "{{official_salutation}}"),
        (f",\n\n{body}\n\n", "{{supporter_comment}}"),
        ("\n\n", "{{supporter_name}}"),
        ("\n", "{{supporter_country}}"),
    ):
        page.keyboard.insert_text(before)
        button = page.locator(f'[data-into="text-{tag}-template"] button[title="{title}"]')
        button.focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == f"text-{tag}-template"
    assert page.input_value(f"#text-{tag}-template").endswith("{{supporter_name}}\n{{supporter_country}}")
