"""Storing a content directory: what it describes is created or updated, nothing is deleted.

The same directory loaded twice leaves the database as after the first time.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from actionkit import db
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
)
from actionkit.content.fields import Fields
from actionkit.content.officials import describe
from actionkit.content.reader import CampaignRecord, ProgramRecord, TextRecord, read_directory
from actionkit.letters.operations import current_version, save_letter, set_pace, set_zones, stop_where_reported

M = TypeVar("M", Program, Official, Campaign, Update, Story)


def load(folder: Path) -> Counter[str]:
    """Read and store a directory; how many records of each kind it describes.

    Raises `ContentFault`; the caller commits all of it or none.
    """
    content = read_directory(folder)
    for program in content.programs:
        _store_program(program)
    officials = []
    for official in content.officials:
        officials.append(_found_or_new(Official, official.slug))
        describe(officials[-1], official)
    db.session.flush()
    set_zones(officials)
    for campaign in content.campaigns:
        _store_campaign(campaign)
    db.session.flush()
    stop_where_reported()
    for update in content.updates:
        about = _known(Campaign, update.campaign, update.where, "campaign") if update.campaign else None
        if update.program:
            program_id = _known(Program, update.program, update.where, "program").id
        else:
            assert about is not None  # the reader demands one of the two
            program_id = about.program_id
        _set(
            _found_or_new(Update, update.slug),
            slug=update.slug,
            published_on=update.published_on,
            program_id=program_id,
            campaign_id=about.id if about else None,
            title=update.title,
            is_victory=update.is_victory,
            body=update.body,
        )
    for story in content.stories:
        program_id = _known(Program, story.program, story.where, "program").id
        _set(
            _found_or_new(Story, story.slug),
            slug=story.slug,
            program_id=program_id,
            title=story.title,
            byline=story.byline,
            body=story.body,
        )
    for resource in content.resources:
        program_id = _known(Program, resource.program, resource.where, "program").id
        stored = db.session.scalar(
            sa.select(Resource).where(Resource.program_id == program_id, Resource.url == resource.url)
        )
        if stored is None:
            stored = Resource(program_id=program_id, url=resource.url)
            db.session.add(stored)
        _set(stored, title=resource.title, publisher=resource.publisher)
    db.session.flush()
    return Counter({kind: len(records) for kind, records in vars(content).items()})


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


def _store_program(record: ProgramRecord) -> None:
    with db.session.no_autoflush:
        stored = _found_or_new(Program, record.slug)
        _set(stored, **{name: value for name, value in vars(record).items() if name != "links"})
        if [(link.title, link.url) for link in stored.links] != record.links:
            stored.links = [
                ProgramLink(position=position, title=title, url=url)
                for position, (title, url) in enumerate(record.links, 1)
            ]
    db.session.flush()


def _store_campaign(record: CampaignRecord) -> None:
    program_id = _known(Program, record.program, record.where, "program").id
    officials = [_known(Official, slug, record.where, "officials") for slug in record.officials]
    with db.session.no_autoflush:
        stored = _found_or_new(Campaign, record.slug)
        is_new = stored.id is None
        _set(
            stored,
            slug=record.slug,
            program_id=program_id,
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
        pace = {name: getattr(record, name) for name in ("letters_per_hour", "office_hours", "spreads_letters")}
        _set(stored, **{name: value for name, value in pace.items() if value is not None})
        _store_ending(stored, record, is_new)
        for language, text in record.texts.items():
            _store_text(stored, language, text)
        if [seat.official_id for seat in stored.seats] != [official.id for official in officials]:
            stored.seats.clear()
            if not is_new:
                db.session.flush()  # the old places go before new ones for the same officials come
            stored.seats = [
                CampaignOfficial(official=official, position=position) for position, official in enumerate(officials, 1)
            ]
    db.session.flush()
    _store_letter(stored.id, record)
    set_pace(stored)


def _store_ending(stored: Campaign, record: CampaignRecord, is_new: bool) -> None:
    """What the clock or a person has closed stays closed, whatever the file says."""
    if not is_new and stored.phase() is Phase.CLOSED:
        stored.closed_at = stored.ends_at or db.now()
        stored.state = CampaignState.CLOSED
        if record.outcome:
            stored.outcome = record.outcome
        return
    _set(stored, state=record.state, outcome=record.outcome, closes_on=record.closes_on)
    if record.state is CampaignState.CLOSED:
        stored.closed_at = min(stored.ends_at or db.now(), db.now())


def _store_text(stored: Campaign, language: str, record: TextRecord) -> None:
    text = next((text for text in stored.texts if text.language == language), None)
    if text is None:
        text = CampaignText(language=language)
        stored.texts.append(text)
    _set(text, title=record.title, summary=record.summary, body=record.body)


def _store_letter(campaign_id: int, record: CampaignRecord) -> None:
    described = {language: text.letter for language, text in record.texts.items() if text.letter}
    if not described:
        return
    current = current_version(campaign_id)
    kept = {text.language: (text.subject, text.template) for text in current.texts} if current else {}
    save_letter(campaign_id, {**kept, **described})
