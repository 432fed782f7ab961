"""Reading a content directory into plain records. Nothing is stored here."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from actionkit.campaigns.models import CampaignState, LetterMode, Outcome, ReplyTo
from actionkit.content import fields as read
from actionkit.content.fields import ContentFault, Fields, read_front_matter
from actionkit.content.officials import COLUMNS, OfficialRecord, official_of
from actionkit.letters import templates

LETTER_LINE = re.compile(r"^--- letter ---", re.MULTILINE)
RESOURCE_COLUMNS = ("program", "title", "url", "publisher")

TITLE = read.text(300)


@dataclass(frozen=True)
class ProgramRecord:
    slug: str
    title: str
    quotation: str
    quotation_source: str
    language: str
    position: int
    links: list[tuple[str, str]]
    body: str


@dataclass(frozen=True)
class TextRecord:
    """A campaign in one language; `letter` is (subject, template), or None.

    `closing` is what its page says once it is closed; None leaves what there is.
    """

    title: str
    summary: str
    body: str
    letter: tuple[str, str] | None
    closing: str | None = None


@dataclass(frozen=True)
class CampaignRecord:
    slug: str
    where: Fields
    program: str
    country: str
    state: CampaignState
    outcome: Outcome | None
    goal: int
    opens_on: dt.date | None
    closes_on: dt.date | None
    timezone: str
    language: str
    letters: LetterMode
    is_letter_editable: bool
    letters_per_hour: int | None
    office_hours: str | None
    spreads_letters: bool | None
    reply_to: ReplyTo
    shows_removed: bool
    officials: list[str]
    texts: dict[str, TextRecord]
    successor: str | None = None


@dataclass(frozen=True)
class UpdateRecord:
    slug: str
    where: Fields
    published_on: dt.date
    program: str | None
    campaign: str | None
    title: str
    is_victory: bool
    body: str


@dataclass(frozen=True)
class StoryRecord:
    slug: str
    where: Fields
    program: str
    title: str
    byline: str
    body: str


@dataclass(frozen=True)
class ResourceRecord:
    where: Fields
    program: str
    title: str
    url: str
    publisher: str


@dataclass(frozen=True)
class Content:
    """All that a directory describes."""

    programs: list[ProgramRecord] = field(default_factory=list)
    officials: list[OfficialRecord] = field(default_factory=list)
    campaigns: list[CampaignRecord] = field(default_factory=list)
    updates: list[UpdateRecord] = field(default_factory=list)
    stories: list[StoryRecord] = field(default_factory=list)
    resources: list[ResourceRecord] = field(default_factory=list)


def read_directory(folder: Path) -> Content:
    """Read and check every file. Raises `ContentFault` for the first fault."""
    if not folder.is_dir():
        raise ContentFault(str(folder), 1, "directory", "there is no such directory")
    return Content(
        programs=[_program(*file) for file in _markdown_files(folder, "programs")],
        officials=[official_of(row) for row in _rows(folder, "officials.csv", COLUMNS)],
        campaigns=_campaigns(folder),
        updates=[_update(*file) for file in _markdown_files(folder, "updates")],
        stories=[_story(*file) for file in _markdown_files(folder, "stories")],
        resources=[_resource(row) for row in _rows(folder, "resources.csv", RESOURCE_COLUMNS)],
    )


def _text_of(file: Path, name: str) -> str:
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContentFault(name, raw.count(b"\n", 0, error.start) + 1, "file", "is not UTF-8") from None
    if "\0" in text:
        raise ContentFault(name, text.count("\n", 0, text.index("\0")) + 1, "file", "holds a NUL character")
    return text


def _markdown_files(folder: Path, kind: str) -> Iterator[tuple[str, str, str]]:
    """(stem, shown name, text) of each file, in order."""
    for file in sorted((folder / kind).glob("*.md")):
        name = f"{kind}/{file.name}"
        yield file.name.removesuffix(".md"), name, _text_of(file, name)


def _slug(name: str, text: str) -> str:
    try:
        return read.slug(text)
    except ValueError as error:
        raise ContentFault(name, 1, "file name", str(error)) from None


def _rows(folder: Path, name: str, columns: tuple[str, ...]) -> Iterator[Fields]:
    file = folder / name
    if not file.exists():
        return
    rows = csv.reader(io.StringIO(_text_of(file, name), newline=""), strict=True)
    try:
        header = next(rows, [])
        for column in columns:
            if column not in header:
                raise ContentFault(name, 1, column, "this column is missing")
        begins = rows.line_num + 1
        for row in rows:
            if any(cell.strip() for cell in row):
                if len(row) != len(header):
                    raise ContentFault(name, begins, "row", f"has {len(row)} cells instead of {len(header)}")
                yield Fields(name, dict(zip(header, row, strict=True)), {}, first_line=begins)
            begins = rows.line_num + 1
    except csv.Error as error:
        raise ContentFault(name, rows.line_num, "row", str(error)) from None


# ---------------------------------------------------------------- kinds


def _program(stem: str, name: str, text: str) -> ProgramRecord:
    fields, body, _line = read_front_matter(name, text)
    record = ProgramRecord(
        slug=_slug(name, stem),
        title=fields.take("title", TITLE),
        quotation=fields.take("quotation", read.prose, ""),
        quotation_source=fields.take("quotation_source", TITLE, ""),
        language=fields.take("language", read.language, "en"),
        position=fields.take("position", read.whole, 0),
        links=_links(fields),
        body=body.strip(),
    )
    fields.refuse_unknown()
    return record


def _links(fields: Fields) -> list[tuple[str, str]]:
    links = []
    for item in fields.take_list("links"):
        if not isinstance(item, dict) or set(item) != {"title", "url"}:
            raise fields.fault("links", "each link needs a title and a url")
        one = Fields(fields.file, item, {}, first_line=fields.lines.get("links", 1))
        links.append((one.take("title", TITLE), one.take("url", read.url)))
    return links


def _campaigns(folder: Path) -> list[CampaignRecord]:
    own: dict[str, CampaignRecord] = {}
    translations: list[tuple[str, str, str, str]] = []
    for stem, name, text in _markdown_files(folder, "campaigns"):
        slug, _dot, language = stem.partition(".")
        if language:
            translations.append((slug, language, name, text))
        else:
            own[slug] = _campaign(_slug(name, slug), name, text)
    for slug, language, name, text in translations:
        if slug not in own:
            raise ContentFault(name, 1, "file name", f"there is no campaigns/{slug}.md")
        try:
            tag = read.language(language)
        except ValueError as error:
            raise ContentFault(name, 1, "file name", str(error)) from None
        fields, body, line = read_front_matter(name, text)
        if tag == own[slug].language:
            raise ContentFault(name, 1, "file name", f"{tag} is the language of campaigns/{slug}.md itself")
        own[slug].texts[tag] = _campaign_text(fields, body, line)
        fields.refuse_unknown()
    return list(own.values())


def _campaign(slug: str, name: str, text: str) -> CampaignRecord:
    fields, body, line = read_front_matter(name, text)
    language = fields.take("language", read.language, "en")
    record = CampaignRecord(
        slug=slug,
        where=fields,
        program=fields.take("program", read.slug),
        country=fields.take("country", read.country),
        state=fields.take("state", read.one_of(CampaignState)),
        outcome=fields.take_optional("outcome", read.one_of(Outcome)),
        goal=fields.take("goal", read.whole, 0),
        opens_on=fields.take_optional("opens_on", read.date),
        closes_on=fields.take_optional("closes_on", read.date),
        timezone=fields.take("timezone", read.timezone, "UTC"),
        language=language,
        letters=fields.take("letters", read.one_of(LetterMode), LetterMode.EACH),
        is_letter_editable=fields.take("letter_editable", read.yes_no, False),
        letters_per_hour=fields.take_optional("letters_per_hour", read.whole),
        office_hours=fields.take_optional("office_hours", read.hours),
        spreads_letters=fields.take_optional("spread_letters", read.yes_no),
        reply_to=fields.take("reply_to", read.one_of(ReplyTo), ReplyTo.SUPPORTER),
        shows_removed=fields.take("shows_removed", read.yes_no, False),
        officials=[str(item) for item in fields.take_list("officials")],
        texts={language: _campaign_text(fields, body, line)},
    )
    fields.refuse_unknown()
    if record.opens_on and record.closes_on and record.closes_on < record.opens_on:
        raise fields.fault("closes_on", "lies before opens_on")
    if record.outcome and record.state is not CampaignState.CLOSED:
        raise fields.fault("outcome", "only a closed campaign has one")
    if record.letters is LetterMode.EACH and record.texts[language].letter is None:
        raise fields.fault("letters", "with 'each' the file needs a section '--- letter ---'")
    if len(set(record.officials)) != len(record.officials):
        raise fields.fault("officials", "names an official twice")
    return record


def _campaign_text(fields: Fields, body: str, first_line: int) -> TextRecord:
    mark = LETTER_LINE.search(body)
    letter = None
    if mark:
        line = first_line + body.count("\n", 0, mark.start()) + 1
        letter = _letter(fields, body[mark.end() :].partition("\n")[2], line)
        body = body[: mark.start()]
    return TextRecord(
        title=fields.take("title", TITLE),
        summary=fields.take("summary", read.prose, ""),
        body=body.strip(),
        letter=letter,
    )


def _letter(fields: Fields, section: str, first_line: int) -> tuple[str, str]:
    """First line the subject, a blank line, the text."""
    subject, _break, rest = section.partition("\n")
    blank, _break, template = rest.partition("\n")
    if blank.strip():
        raise fields.fault("letter", "a blank line must follow the subject", first_line + 1)
    template = template.strip("\n")
    skipped = section.count("\n", 0, section.find(template)) if template else 0
    for part, starts, is_subject in ((subject.strip(), first_line, True), (template, first_line + skipped, False)):
        try:
            templates.check(part, is_subject=is_subject)
        except templates.TemplateFault as fault:
            raise fields.fault("letter", fault.message, starts + fault.line - 1) from None
    return subject.strip(), template


def _update(stem: str, name: str, text: str) -> UpdateRecord:
    day, _dash, slug = stem[:10], stem[10:11], stem[11:]
    try:
        published_on = read.date(day)
    except ValueError as error:
        raise ContentFault(name, 1, "file name", f"must begin with its date: {error}") from None
    fields, body, _line = read_front_matter(name, text)
    record = UpdateRecord(
        slug=_slug(name, slug),
        where=fields,
        published_on=published_on,
        program=fields.take_optional("program", read.slug),
        campaign=fields.take_optional("campaign", read.slug),
        title=fields.take("title", TITLE),
        is_victory=fields.take("victory", read.yes_no, False),
        body=body.strip(),
    )
    fields.refuse_unknown()
    if not record.program and not record.campaign:
        raise fields.fault("program", "an update needs a program or a campaign")
    return record


def _story(stem: str, name: str, text: str) -> StoryRecord:
    fields, body, _line = read_front_matter(name, text)
    record = StoryRecord(
        slug=_slug(name, stem),
        where=fields,
        program=fields.take("program", read.slug),
        title=fields.take("title", TITLE),
        byline=fields.take("byline", TITLE, ""),
        body=body.strip(),
    )
    fields.refuse_unknown()
    return record


def _resource(row: Fields) -> ResourceRecord:
    return ResourceRecord(
        where=row,
        program=row.take("program", read.slug),
        title=row.take("title", TITLE),
        url=row.take("url", read.url),
        publisher=row.take("publisher", TITLE, ""),
    )
