"""Storing what a file or a form describes: created or updated, by slug; each change is a version.

Files and the desk's forms both end here, so that both ways mean the same.
"""

from __future__ import annotations

from typing import Any, TypeVar

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns import versions
from actionkit.campaigns.models import (
    Campaign,
    CampaignOfficial,
    CampaignState,
    CampaignText,
    Official,
    Phase,
    Program,
    ProgramLink,
    Resource,
    Story,
    Update,
    VersionCause,
)
from actionkit.content.fields import Fields
from actionkit.content.officials import OfficialRecord, begin, describe
from actionkit.content.reader import (
    CampaignRecord,
    ProgramRecord,
    ResourceRecord,
    StoryRecord,
    TextRecord,
    UpdateRecord,
)
from actionkit.letters import history
from actionkit.letters.operations import current_version, save_letter, set_pace

M = TypeVar("M", Program, Official, Campaign, Update, Story)


def _found_or_new(kind: type[M], slug: str) -> M:
    stored = db.session.scalar(sa.select(kind).where(kind.slug == slug))
    if stored is None:
        stored = kind(slug=slug)
        with db.session.no_autoflush:
            db.session.add(stored)
    return stored


def _known(kind: type[M], slug: str, where: Fields, name: str) -> M:
    stored = db.session.scalar(sa.select(kind).where(kind.slug == slug))
    if stored is None:
        raise where.fault(name, f"there is no '{slug}'")
    return stored


def _set(stored: object, **values: Any) -> None:
    """Assign only what differs, so that an unchanged record is not touched."""
    for name, value in values.items():
        if getattr(stored, name) != value:
            setattr(stored, name, value)


# ---------------------------------------------------------------- officials, programs


def store_official(record: OfficialRecord) -> Official:
    stored = _found_or_new(Official, record.slug)
    (describe if stored.id else begin)(stored, record)
    return stored


def store_program(record: ProgramRecord, cause: VersionCause = VersionCause.LOADED) -> Program:
    with db.session.no_autoflush:
        stored = _found_or_new(Program, record.slug)
        _set(stored, **{name: value for name, value in vars(record).items() if name != "links"})
        if [(link.title, link.url) for link in stored.links] != record.links:
            stored.links = [
                ProgramLink(position=position, title=title, url=url)
                for position, (title, url) in enumerate(record.links, 1)
            ]
    db.session.flush()
    content = vars(record) | {"links": [list(link) for link in record.links]}
    versions.record(f"program:{record.slug}", content, cause)
    return stored


# ---------------------------------------------------------------- campaigns


def store_campaign(
    record: CampaignRecord,
    cause: VersionCause = VersionCause.LOADED,
    *,
    is_whole: bool = False,
    restored: int | None = None,
) -> Campaign:
    """Create or update a campaign with its texts, officials and letter.

    A file says only what is in it: other languages, and what a record leaves open (None), stay as
    they are. With `is_whole` the record is all there is, and a language that it lacks is removed.
    What a person or the clock has closed stays closed. Raises `ContentFault` and `TemplateFault`.
    """
    program = _known(Program, record.program, record.where, "program")
    officials = [_known(Official, slug, record.where, "officials") for slug in record.officials]
    with db.session.no_autoflush:
        stored = _found_or_new(Campaign, record.slug)
        is_new = stored.id is None
        if not is_new:
            history.catch_up(stored)
        _set(
            stored,
            program=program,
            country=record.country,
            goal=record.goal,
            opens_on=record.opens_on,
            timezone=record.timezone,
            language=record.language,
            letters=record.letters,
            is_letter_editable=record.is_letter_editable,
            reply_to=record.reply_to,
            shows_removed=record.shows_removed,
        )
        # What the file does not say stays as staff have set it on the desk.
        open_fields = ("letters_per_hour", "office_hours", "spreads_letters", "successor")
        chosen = {name: getattr(record, name) for name in open_fields}
        _set(stored, **{name: value for name, value in chosen.items() if is_whole or value is not None})
        _store_ending(stored, record, is_new)
        for language, text in record.texts.items():
            _store_text(stored, language, text)
        if is_whole:
            for old in [text for text in stored.texts if text.language not in record.texts]:
                stored.texts.remove(old)
        _store_seats(stored, officials, is_new)
    db.session.flush()
    _store_letter(stored.id, record, is_whole=is_whole)
    set_pace(stored)
    history.record(stored, cause, restored=restored)
    return stored


def _store_ending(stored: Campaign, record: CampaignRecord, is_new: bool) -> None:
    """What the clock or a person has closed stays closed, whatever the file says."""
    if not is_new and stored.phase() is Phase.CLOSED:
        _set(stored, closed_at=stored.ends_at or db.now(), state=CampaignState.CLOSED)
        if record.outcome:
            _set(stored, outcome=record.outcome)
        return
    _set(stored, state=record.state, outcome=record.outcome, closes_on=record.closes_on)
    if record.state is CampaignState.CLOSED:
        stored.closed_at = min(stored.ends_at or db.now(), db.now())


def _store_text(stored: Campaign, language: str, record: TextRecord) -> None:
    text = next((text for text in stored.texts if text.language == language), None)
    if text is None:
        text = CampaignText(language=language, closing="")
        stored.texts.append(text)
    _set(text, title=record.title, summary=record.summary, body=record.body)
    if record.closing is not None:
        _set(text, closing=record.closing)


def _store_seats(stored: Campaign, officials: list[Official], is_new: bool) -> None:
    if [seat.official_id for seat in stored.seats] == [official.id for official in officials]:
        return
    stored.seats.clear()
    if not is_new:
        db.session.flush()  # the old places go before new ones for the same officials come
    stored.seats = [
        CampaignOfficial(official=official, position=position) for position, official in enumerate(officials, 1)
    ]


def _store_letter(campaign_id: int, record: CampaignRecord, *, is_whole: bool) -> None:
    described = {language: text.letter for language, text in record.texts.items() if text.letter}
    current = current_version(campaign_id)
    kept = {text.language: (text.subject, text.template) for text in current.texts} if current else {}
    if is_whole:
        kept = {}
    if described or (is_whole and current):
        save_letter(campaign_id, {**kept, **described})


# ---------------------------------------------------------------- updates, stories, resources


def store_update(record: UpdateRecord, cause: VersionCause = VersionCause.LOADED) -> Update:
    about = _known(Campaign, record.campaign, record.where, "campaign") if record.campaign else None
    if record.program:
        program_id = _known(Program, record.program, record.where, "program").id
    else:
        assert about is not None  # the reader demands one of the two
        program_id = about.program_id
    stored = _found_or_new(Update, record.slug)
    _set(
        stored,
        published_on=record.published_on,
        program_id=program_id,
        campaign_id=about.id if about else None,
        title=record.title,
        is_victory=record.is_victory,
        body=record.body,
    )
    content = vars(record) | {"where": None, "published_on": record.published_on.isoformat()}
    _finish(f"update:{record.slug}", content, cause)
    return stored


def store_story(record: StoryRecord, cause: VersionCause = VersionCause.LOADED) -> Story:
    program_id = _known(Program, record.program, record.where, "program").id
    stored = _found_or_new(Story, record.slug)
    _set(stored, program_id=program_id, title=record.title, byline=record.byline, body=record.body)
    _finish(f"story:{record.slug}", vars(record) | {"where": None}, cause)
    return stored


def store_resource(record: ResourceRecord, cause: VersionCause = VersionCause.LOADED) -> Resource:
    """Created or updated by program and address."""
    program_id = _known(Program, record.program, record.where, "program").id
    stored = db.session.scalar(sa.select(Resource).where(Resource.program_id == program_id, Resource.url == record.url))
    if stored is None:
        stored = Resource(program_id=program_id, url=record.url)
        db.session.add(stored)
    _set(stored, title=record.title, publisher=record.publisher)
    db.session.flush()
    _finish(f"resource:{stored.id}", vars(record) | {"where": None}, cause)
    return stored


def _finish(subject: str, content: versions.Content, cause: VersionCause) -> None:
    db.session.flush()
    versions.record(subject, {name: value for name, value in content.items() if name != "where"}, cause)
