"""Loading a content directory: twice is once, a fault keeps nothing, and what has ended stays ended."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignState, CampaignText, Official, Program, Resource
from actionkit.campaigns.operations import close_ended
from actionkit.db import Base
from actionkit.letters.models import LetterText, LetterVersion
from tests.conftest import CONTENT
from tests.signing.site import Site

ITALY = "campaigns/italy-water.md"
KENYA = "campaigns/kenya-petition.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the test content that a test may spoil."""
    return Path(shutil.copytree(CONTENT, tmp_path / "given"))


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


def load(app: Flask, folder: Path) -> Result:
    return app.test_cli_runner().invoke(args=["content", "load", str(folder)])


def loaded(app: Flask, folder: Path) -> str:
    result = load(app, folder)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def content_hash(app: Flask) -> str:
    """Over every row of every table."""
    digest = hashlib.sha256()
    with app.app_context():
        db.reading()
        for name, table in sorted(Base.metadata.tables.items()):
            rows = sorted(repr(tuple(row)) for row in db.session.execute(table.select()))
            digest.update(f"{name}{rows}".encode())
    return digest.hexdigest()


def change(folder: Path, file: str, old: str, new: str) -> int:
    """Replace a text in a file; the line at which it stands."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} does not hold {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text.count("\n", 0, text.index(old)) + 1


# ---------------------------------------------------------------- twice


def test_loading_twice_changes_nothing(app: Flask, folder: Path) -> None:
    before = content_hash(app)
    first, second = loaded(app, folder), loaded(app, folder)
    assert first == second == "loaded 1 programs, 5 officials, 5 campaigns, 1 updates, 1 stories, 1 resources\n"
    assert content_hash(app) == before


def test_the_sample_content_loads_twice_beside_it(app: Flask) -> None:
    sample = CONTENT.parents[1] / "content"
    loaded(app, sample)
    before = content_hash(app)
    loaded(app, sample)
    assert content_hash(app) == before


def test_line_ends_of_other_systems_are_the_same_content(app: Flask, folder: Path) -> None:
    before = content_hash(app)
    for file in (*folder.glob("*/*.md"), *folder.glob("*.csv")):
        text = file.read_text(encoding="utf-8")
        file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    loaded(app, folder)
    assert content_hash(app) == before


def test_a_change_is_taken_and_nothing_else_moves(app: Flask, site: Site, folder: Path) -> None:
    ids = {c.slug: c.id for c in site.stored(Campaign)}
    change(folder, ITALY, "title: Protect the springs", "title: Protect every spring")
    change(folder, ITALY, "goal: 100", "goal: 200")
    change(folder, "officials.csv", "acqua@governo.example", "nuova@governo.example")
    loaded(app, folder)
    assert site.campaign().goal == 200
    assert "Protect every spring" in site.client.get("/campaigns/italy-water").text
    assert "nuova@governo.example" in [o.email for o in site.stored(Official)]
    assert {c.slug: c.id for c in site.stored(Campaign)} == ids
    assert len(site.stored(LetterVersion)) == 2, "the letters are as before, so no version is new"


@pytest.mark.one_database
def test_office_hours_are_set_kept_and_taken_back(app: Flask, site: Site, folder: Path) -> None:
    def hours(said: str) -> str:
        path = folder / "campaigns" / "italy-water.md"
        lines = [line for line in path.read_text("utf-8").split("\n") if not line.startswith("office_hours:")]
        if said:
            lines.insert(1, f"office_hours: {said}")
        path.write_text("\n".join(lines), "utf-8")
        loaded(app, folder)
        return site.campaign().office_hours

    assert [hours("Mon-Fri 09:00-17:00"), hours(""), hours("any")] == ["Mon-Fri 09:00-17:00", "Mon-Fri 09:00-17:00", ""]


def test_what_a_directory_no_longer_names_stays(app: Flask, site: Site, folder: Path) -> None:
    (folder / KENYA).unlink()
    (folder / "resources.csv").unlink()
    loaded(app, folder)
    assert site.client.get("/campaigns/kenya-petition").status_code == 200
    assert len(site.stored(Resource)) == 1


def test_a_new_letter_is_a_new_version_and_keeps_the_old(app: Flask, site: Site, folder: Path) -> None:
    change(folder, ITALY, "Please protect the springs of Italy.", "Please protect them.")
    loaded(app, folder)
    loaded(app, folder)
    italy = site.campaign().id
    assert [v.number for v in site.stored(LetterVersion, LetterVersion.campaign_id == italy)] == [1, 2]
    assert len([t for t in site.stored(LetterText) if "springs of Italy" in t.template]) == 1
    assert [v.number for v in site.stored(LetterVersion, LetterVersion.campaign_id != italy)] == [1]


# ---------------------------------------------------------------- what files mean


def test_scalars_are_typed_by_their_field(app: Flask, site: Site, folder: Path) -> None:
    change(folder, KENYA, "country: KE", "country: NO")
    change(folder, KENYA, "title: Count the boreholes", "title: 2024-01-01")
    change(folder, KENYA, "summary: A petition without letters.", "summary: yes")
    loaded(app, folder)
    campaign = site.campaign("kenya-petition")
    assert campaign.country == "NO", "Norway, not false"
    (text,) = site.stored(CampaignText, CampaignText.campaign_id == campaign.id)
    assert (text.title, text.summary) == ("2024-01-01", "yes")
    assert "NORWAY" in site.client.get("/").text


def test_translations_are_languages_of_their_campaign(app: Flask, site: Site, folder: Path) -> None:
    (folder / "campaigns/kenya-petition.sw.md").write_text("---\ntitle: Hesabu visima\n---\nMwili.\n", encoding="utf-8")
    loaded(app, folder)
    page = site.client.get("/campaigns/kenya-petition?lang=sw").text
    assert "Hesabu visima" in page
    assert '<html lang="sw"' in page
    assert "Hesabu" not in site.client.get("/campaigns/kenya-petition").text


def test_officials_keep_the_order_of_their_campaign(app: Flask, site: Site, folder: Path) -> None:
    change(folder, ITALY, "[it-water, it-health, it-towns]", "[it-towns, in-water, it-water]")
    loaded(app, folder)
    loaded(app, folder)
    page = site.client.get("/campaigns/italy-water").text
    places = [page.index(f"<strong>{name}") for name in ("The Association", "The Secretary for W", "The Minister of W")]
    assert places == sorted(places)
    assert "The Minister of Health" not in page


def test_markup_of_staff_is_cleaned(site: Site) -> None:
    page = site.client.get("/programs/clean-water").text
    assert "<script>alert" not in page
    assert "Every village" in page


# ---------------------------------------------------------------- faults

Spoil = Callable[[Path], int]
"""Spoils a directory; the line at which the fault stands."""


def by_changing(file: str, old: str, new: str) -> Spoil:
    return lambda folder: change(folder, file, old, new)


def by_writing(file: str, content: str | bytes, line: int = 1) -> Spoil:
    def write(folder: Path) -> int:
        (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)
        return line

    return write


OFFICIALS = "officials.csv"
FAULTS: dict[str, tuple[str, str, Spoil]] = {
    "a field that is none": (KENYA, "goals", by_changing(KENYA, "goal: 10", "goals: 10")),
    "a missing title": (KENYA, "title", by_changing(KENYA, "title: Count the boreholes", "title:")),
    "an unknown country": (KENYA, "country", by_changing(KENYA, "country: KE", "country: ZZ")),
    "an unknown program": (KENYA, "program", by_changing(KENYA, "program: clean-water", "program: none-such")),
    "an unknown state": (KENYA, "state", by_changing(KENYA, "state: open", "state: running")),
    "an outcome while open": (KENYA, "outcome", by_changing(KENYA, "goal: 10", "outcome: won\ngoal: 10")),
    "a goal that is none": (KENYA, "goal", by_changing(KENYA, "goal: 10", "goal: ten")),
    "a negative goal": (KENYA, "goal", by_changing(KENYA, "goal: 10", "goal: -1")),
    "a day that is none": (KENYA, "opens_on", by_changing(KENYA, "opens_on: 2024-01-01", "opens_on: 2024-02-31")),
    "a year that is none": (KENYA, "opens_on", by_changing(KENYA, "opens_on: 2024-01-01", "opens_on: 0001-01-01")),
    "a year of five digits": (KENYA, "opens_on", by_changing(KENYA, "opens_on: 2024-01-01", "opens_on: 99999-01-01")),
    "an end before the start": (
        KENYA,
        "closes_on",
        by_changing(KENYA, "timezone: Africa/Nairobi", "closes_on: 2023-12-31\ntimezone: Africa/Nairobi"),
    ),
    "a zone that is none": (KENYA, "timezone", by_changing(KENYA, "timezone: Africa/Nairobi", "timezone: Mars/Base")),
    "a zone outside": (KENYA, "timezone", by_changing(KENYA, "timezone: Africa/Nairobi", "timezone: ../../etc/passwd")),
    "a language that is none": (KENYA, "language", by_changing(KENYA, "language: en", "language: english")),
    "a letter mode that is none": (KENYA, "letters", by_changing(KENYA, "letters: none", "letters: some")),
    "letters without a letter": (KENYA, "letters", by_changing(KENYA, "letters: none", "letters: each")),
    "an unknown official": (ITALY, "officials", by_changing(ITALY, "officials: [it-water", "officials: [it-fire")),
    "an official twice": (
        ITALY,
        "officials",
        by_changing(ITALY, "officials: [it-water, it-health", "officials: [it-water, it-water"),
    ),
    "a field twice": (KENYA, "goal", by_changing(KENYA, "letters: none", "goal: 11")),
    "a tick that is none": (
        ITALY,
        "letter_editable",
        by_changing(ITALY, "letter_editable: true", "letter_editable: 1"),
    ),
    "an unknown placeholder": (ITALY, "letter", by_changing(ITALY, "{{supporter_comment}}", "{{supporter_phone}}")),
    "a filter that is not allowed": (
        ITALY,
        "letter",
        by_changing(ITALY, "{{supporter_comment}}", "{{supporter_comment | upcase}}"),
    ),
    "a tag that is not allowed": (
        ITALY,
        "letter",
        by_changing(ITALY, "{{supporter_comment}}", "{% for x in y %}{% endfor %}"),
    ),
    "a letter without a name": (ITALY, "letter", by_changing(ITALY, "{{supporter_name}}\n", "Us\n")),
    "a letter without a blank line": (
        ITALY,
        "letter",
        by_changing(ITALY, "\n\n{{official_salutation}}", "\nx\n{{official_salutation}}"),
    ),
    "no front matter": (KENYA, "front matter", by_writing(KENYA, "Text.\n")),
    "no end of the front matter": (KENYA, "front matter", by_writing(KENYA, "---\ntitle: x\n")),
    "front matter that is no YAML": (KENYA, "front matter", by_writing(KENYA, "---\ntitle: x\nb: [1\n---\n", 3)),
    "a file that is no UTF-8": (KENYA, "file", by_writing(KENYA, b"---\ntitle: Caf\xe9\n---\n", 2)),
    "a NUL": (KENYA, "file", by_writing(KENYA, "---\ntitle: x\n---\n\0", 4)),
    "a translation of nothing": (
        "campaigns/peru.es.md",
        "file name",
        by_writing("campaigns/peru.es.md", "---\ntitle: x\n---\n"),
    ),
    "a file name that is no slug": (
        "campaigns/A B.md",
        "file name",
        by_writing("campaigns/A B.md", "---\ntitle: x\n---\n"),
    ),
    "a reserved name": ("campaigns/admin.md", "file name", by_writing("campaigns/admin.md", "---\ntitle: x\n---\n")),
    "an update without a date": ("updates/news.md", "file name", by_writing("updates/news.md", "---\ntitle: x\n---\n")),
    "an update of nothing": (
        "updates/2024-01-01-x.md",
        "program",
        by_writing("updates/2024-01-01-x.md", "---\ntitle: x\n---\n", 1),
    ),
    "a link that is none": (
        "programs/clean-water.md",
        "url",
        by_changing("programs/clean-water.md", "https://www.example.org/rivers", "javascript:alert(1)"),
    ),
    "an address that is none": (OFFICIALS, "email", by_changing(OFFICIALS, "salute@governo.example", "salute governo")),
    "an official's country": (
        OFFICIALS,
        "country",
        by_changing(OFFICIALS, "Government of Italy,IT,it,salute", "Government of Italy,ITA,it,salute"),
    ),
    "a row with too many cells": (OFFICIALS, "row", by_changing(OFFICIALS, "it-health,The", "it-health,x,The")),
    "a missing column": (OFFICIALS, "email", by_changing(OFFICIALS, "language,email,address", "language,mail,address")),
    "a resource of no program": (
        "resources.csv",
        "program",
        by_changing("resources.csv", "clean-water,", "dirty-water,"),
    ),
}
WITHOUT_LINE = {
    "a link that is none",
    "letters without a letter",
    "a letter without a name",
    "a letter without a blank line",
    "a field twice",
    "an outcome while open",
    "an end before the start",
    "a translation of nothing",
}
"""The fault is reported at another line than the one that was changed."""


@pytest.mark.parametrize(
    ("database_url", "kind"),
    [*(("sqlite", kind) for kind in FAULTS), ("postgresql", "an unknown official"), ("postgresql", "a NUL")],
    indirect=["database_url"],
)
def test_a_fault_names_its_place_and_keeps_nothing(app: Flask, folder: Path, kind: str) -> None:
    file, name, spoil = FAULTS[kind]
    before = content_hash(app)
    change(folder, "programs/clean-water.md", "title: Clean water", "title: Cleaner water")
    line = spoil(folder)
    result = load(app, folder)
    assert result.exit_code == 1, f"{kind} is taken"
    assert result.stdout == ""
    (said,) = result.stderr.splitlines()
    where, _comma, rest = said.removeprefix("actionkit: ").partition(", line ")
    number, _comma, message = rest.partition(", ")
    assert where == file
    assert message.startswith(f"{name}: "), said
    assert number.isdecimal(), said
    if kind not in WITHOUT_LINE:
        assert int(number) == line, f"the fault stands in line {line}: {said}"
    assert content_hash(app) == before, "something of the load is kept"


def test_there_is_no_such_directory(app: Flask, tmp_path: Path) -> None:
    result = load(app, tmp_path / "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no such directory" in result.stderr


# ---------------------------------------------------------------- the end


def test_a_reload_never_opens_what_the_clock_closed(app: Flask, site: Site, folder: Path) -> None:
    yesterday = (db.now() - dt.timedelta(days=3)).date()
    site.change(Campaign, Campaign.slug == "kenya-petition", closes_on=yesterday)
    with app.app_context():
        assert close_ended() == ["kenya-petition"]
        assert close_ended() == [], "a campaign is closed once"
        db.session.commit()
    change(folder, KENYA, "opens_on: 2024-01-01", "opens_on: 2024-01-01\ncloses_on: 2999-01-01")
    loaded(app, folder)
    campaign = site.campaign("kenya-petition")
    assert (campaign.state, campaign.outcome) == ("closed", "ended")
    assert site.sign("kenya-petition").status_code == 410
    assert campaign.closed_on == yesterday


def test_a_reload_before_the_job_never_opens_it_either(app: Flask, site: Site, folder: Path) -> None:
    site.change(Campaign, Campaign.slug == "kenya-petition", closes_on=(db.now() - dt.timedelta(days=3)).date())
    loaded(app, folder)
    assert site.campaign("kenya-petition").state == "closed"
    assert site.sign("kenya-petition").status_code == 410


def test_a_reload_never_opens_what_a_person_closed(app: Flask, site: Site, folder: Path) -> None:
    closed_at = db.now() - dt.timedelta(hours=2)
    site.change(Campaign, Campaign.slug == "kenya-petition", state=CampaignState.CLOSED, closed_at=closed_at)
    loaded(app, folder)
    campaign = site.campaign("kenya-petition")
    assert (campaign.state, campaign.closed_at) == ("closed", closed_at)


def test_a_file_closes_and_tells_the_outcome_later(app: Flask, site: Site, folder: Path) -> None:
    change(folder, KENYA, "state: open", "state: closed")
    loaded(app, folder)
    closed_at = site.campaign("kenya-petition").closed_at
    assert closed_at is not None
    assert site.sign("kenya-petition").status_code == 410
    change(folder, KENYA, "state: closed", "state: closed\noutcome: lost")
    loaded(app, folder)
    campaign = site.campaign("kenya-petition")
    assert (campaign.outcome, campaign.closed_at) == ("lost", closed_at)


# ---------------------------------------------------------------- officials from a file

HEADER = "id,name,salutation,office,organisation,country,language,email,address\n"
ROW = "{id},Person {id},Dear {id},Office,Organisation,IT,it,{id}@governo.example,Rome\n"


def officials(app: Flask, tmp_path: Path, text: str, *options: str, slug: str = "kenya-petition") -> Result:
    file = tmp_path / "officials.csv"
    file.write_text(text, encoding="utf-8")
    return app.test_cli_runner().invoke(args=["officials", "import", str(file), "--campaign", slug, *options])


def test_officials_are_imported_and_seated_once(app: Flask, site: Site, tmp_path: Path) -> None:
    text = HEADER + "".join(ROW.format(id=f"new-{n}") for n in range(3))
    before = content_hash(app)
    assert officials(app, tmp_path, text, "--dry-run").exit_code == 0
    assert content_hash(app) == before, "a dry run stores nothing"
    for _twice in range(2):
        result = officials(app, tmp_path, text)
        assert (result.exit_code, result.stdout) == (0, "3 officials imported into kenya-petition\n")
    assert len(site.stored(Official)) == 8
    assert site.client.get("/campaigns/kenya-petition").text.count("<strong>Person new-") == 3


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW.format(id="new-9").replace("@", " "), "row 3: email"),
        (ROW.format(id="new-1"), "row 3: id: 'new-1' stands in row 2 already"),
        (ROW.format(id="New 9"), "row 3: id"),
        (ROW.format(id="new-9").replace(",it,", ",xx-yy-zz-nonsense,"), "row 3: language"),
        ("new-9,Person\n", "row 3: has 2 cells instead of 9"),
        (ROW.format(id="new-9").replace("Person new-9", '"Ann\r\nBcc: x"'), "row 3: name"),
        (ROW.format(id="new-9").replace("Person new-9", ""), "row 3: name"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_imported(app: Flask, tmp_path: Path, row: str, message: str) -> None:
    before = content_hash(app)
    result = officials(app, tmp_path, HEADER + ROW.format(id="new-1") + row)
    assert result.exit_code == 1
    assert message in result.output, result.output
    assert content_hash(app) == before


def test_an_official_is_set_to_digest_and_her_waiting_letters_stop(app: Flask, site: Site, folder: Path) -> None:
    site.confirmed("italy-water")
    lines = (folder / OFFICIALS).read_text().splitlines()
    new = [f"{line},{mode}" for line, mode in zip(lines, ["mode", "digest", *[""] * len(lines)], strict=False)]
    (folder / OFFICIALS).write_text("\n".join(new) + "\n")
    loaded(app, folder)
    assert [each.slug for each in site.stored(Official, Official.wants_digest.is_(True))] == ["it-water"]
    assert sorted(letter.state for letter in site.letters()) == ["cancelled", "queued", "queued"]
    change(folder, "campaigns/italy-water.md", "letters: each", "letters: digest")
    loaded(app, folder)
    assert {letter.state for letter in site.letters()} == {"cancelled"}
    change(folder, OFFICIALS, ",digest", ",weekly")
    assert "mode" in load(app, folder).stderr


@pytest.mark.one_database
def test_officials_of_an_unknown_campaign_are_refused(app: Flask, tmp_path: Path) -> None:
    before = content_hash(app)
    result = officials(app, tmp_path, HEADER + ROW.format(id="new-1"), slug="unknown")
    assert result.exit_code == 1
    assert "unknown" in result.output
    assert content_hash(app) == before


def test_a_program_is_found_by_its_name(app: Flask) -> None:
    with app.app_context():
        assert db.session.scalars(sa.select(Program.slug)).all() == ["clean-water"]
