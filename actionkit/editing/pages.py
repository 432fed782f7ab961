"""The kinds of pages beside campaigns: updates, stories, resources; found, stored, deleted, brought back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask_babel import lazy_gettext as _
from werkzeug.exceptions import NotFound

from actionkit import db
from actionkit.campaigns import versions
from actionkit.campaigns.models import Campaign, Program, Resource, Story, Update, Version, VersionCause
from actionkit.campaigns.versions import Content
from actionkit.content import store
from actionkit.editing import page_forms
from actionkit.numbers import whole_number

Page = Update | Story | Resource
KEPT_SHOWN = 20


@dataclass(frozen=True)
class Kind:
    """One kind of page. `key` is its name in addresses: the slug, or the id of what has none."""

    name: str
    form: Any
    read: Callable[[Content], Any]
    store: Callable[..., Page]
    heading: Any
    new_heading: Any
    saved: Any
    endpoint: str = ""
    """The public page, where it has one."""

    def key_of(self, page: Page) -> str:
        return str(page.id) if isinstance(page, Resource) else page.slug

    def subject_of(self, page: Page) -> str:
        return f"{self.name}:{self.key_of(page)}"

    def fixed_of(self, page: Page) -> str:
        """What an edit never changes: the slug, or a resource's address."""
        return page.url if isinstance(page, Resource) else page.slug


UPDATES = Kind(
    "update", page_forms.UpdateForm, page_forms.update_of, store.store_update,
    _("Update"), _("New update"), _("The update is saved."), "campaigns.update",
)  # fmt: skip
STORIES = Kind(
    "story", page_forms.StoryForm, page_forms.story_of, store.store_story,
    _("Story"), _("New story"), _("The story is saved."), "campaigns.story",
)  # fmt: skip
RESOURCES = Kind(
    "resource", page_forms.ResourceForm, page_forms.resource_of, store.store_resource,
    _("Resource"), _("New resource"), _("The resource is saved."),
)  # fmt: skip
KINDS = {"updates": UPDATES, "stories": STORIES, "resources": RESOURCES}


def find(kind: Kind, key: str, program: Program, campaign: Campaign | None, *, is_to_change: bool = False) -> Page:
    """A page of the program, or an update of the campaign; locked where it is to be changed. Raises `NotFound`."""
    query: sa.Select[Any]
    if kind is RESOURCES:
        query = sa.select(Resource).where(Resource.id == (whole_number(key) or 0), Resource.program_id == program.id)
    elif kind is STORIES:
        query = sa.select(Story).where(Story.slug == key, Story.program_id == program.id)
    else:
        query = sa.select(Update).where(Update.slug == key, Update.program_id == program.id)
        if campaign:
            query = query.where(Update.campaign_id == campaign.id)
    found: Page | None = db.session.scalar(query.with_for_update(key_share=True) if is_to_change else query)
    if found is None:
        raise NotFound
    return found


def updates_of(*which: sa.ColumnElement[bool]) -> Sequence[Update]:
    return db.session.scalars(sa.select(Update).where(*which).order_by(Update.published_on.desc(), Update.id)).all()


def delete(kind: Kind, page: Page) -> Version:
    """Take a page away; the version that says what it was, with which it can be brought back."""
    subject = kind.subject_of(page)
    before = versions.latest(subject)
    content = before.content if before else _content_of(kind, page)
    db.session.delete(page)
    db.session.flush()
    return versions.record(subject, content, VersionCause.DELETED, is_new=True)


def _content_of(kind: Kind, page: Page) -> Content:
    """Of a page that no version knows: it was there before versions were kept."""
    match page:
        case Update():
            own = {"published_on": page.published_on.isoformat(), "title": page.title, "is_victory": page.is_victory}
            about = page.campaign.slug if page.campaign else None
            place = {"program": None if about else page.program.slug, "campaign": about}
            return {"slug": page.slug, **own, **place, "body": page.body}
        case Story():
            own = {"title": page.title, "byline": page.byline, "body": page.body}
            return {"slug": page.slug, "program": page.program.slug, **own}
    program = db.session.get_one(Program, page.program_id)
    return {"program": program.slug, "title": page.title, "url": page.url, "publisher": page.publisher}


def catch_up(kind: Kind, page: Page) -> Version:
    """Before a change: the version that says what it is now, added where none does."""
    return versions.record(kind.subject_of(page), _content_of(kind, page), VersionCause.FOUND)


def version_of(kind: Kind, version_id: int | None, program: Program, campaign: Campaign | None) -> Version:
    """A version of such a page of this program or campaign. Raises `NotFound`."""
    found = db.session.get(Version, version_id) if version_id else None
    if found is None or found.subject.partition(":")[0] != kind.name:
        raise NotFound
    of_campaign = found.content.get("campaign")
    if campaign:
        is_ours = of_campaign == campaign.slug
    elif of_campaign:
        is_ours = bool(
            db.session.scalar(
                sa.select(Campaign.id).where(Campaign.slug == of_campaign, Campaign.program_id == program.id)
            )
        )
    else:
        is_ours = found.content.get("program") == program.slug
    if not is_ours:
        raise NotFound
    return found


def kept(subject: str) -> Sequence[Version]:
    """Its latest versions, the newest first, with what they say."""
    query = sa.select(Version).where(Version.subject == subject).order_by(Version.number.desc())
    return db.session.scalars(query.limit(KEPT_SHOWN)).all()
