"""The forms of programs, updates, stories and resources: what each holds, and the record it becomes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, HiddenField, SelectField, StringField, TextAreaField, ValidationError

from actionkit import db, languages
from actionkit.campaigns.models import Campaign, Program, Resource, Story, Update
from actionkit.campaigns.versions import Content
from actionkit.content import fields as read
from actionkit.content.fields import Fields
from actionkit.content.reader import ProgramRecord, ResourceRecord, StoryRecord, UpdateRecord
from actionkit.editing import names
from actionkit.editing.forms import a_date, a_slug, a_url, choices_of, markdown, text_line
from actionkit.editing.new_campaign import slug_from
from actionkit.forms import BaseForm, line, required
from actionkit.numbers import whole_number

NOWHERE = Fields("desk", {}, {})
_NEEDS_TITLE = _("A title is needed.")


def _slug_field() -> StringField:
    return StringField(
        _("Its address on this site"),
        filters=[line],
        validators=[a_slug],
        render_kw={"autocapitalize": "none", "spellcheck": "false"},
    )


class PageForm(BaseForm):
    """A page with a title; a new one (`is_new`) is given its slug, which stays."""

    kind: Any
    """The table, whose slugs are unique."""
    base = HiddenField()
    title = text_line(names.FIELDS["title"], _NEEDS_TITLE)
    slug = _slug_field()

    def __init__(self, *, is_new: bool, **values: Any) -> None:
        super().__init__(**values)
        if not is_new:
            del self.slug

    def validate_slug(self, field: StringField) -> None:
        field.data = field.data or slug_from(self.title.data or "")
        if not field.data:
            raise ValidationError(_("Please choose one: lower-case letters a to z, digits and hyphens."))
        if db.session.scalar(sa.select(self.kind.id).where(self.kind.slug == field.data)):
            raise ValidationError(_("Another page has this address already. Please choose another."))

    def slug_or(self, slug: str) -> str:
        return slug or self.slug.data or ""


class ProgramForm(PageForm):
    kind = Program
    language = SelectField(names.FIELDS["language"])
    quotation = markdown(names.FIELDS["quotation"], 3, 2_000)
    quotation_source = text_line(names.FIELDS["quotation_source"])
    body = markdown(names.FIELDS["body"], 12)
    links = TextAreaField(names.FIELDS["links"], render_kw={"rows": 4})
    position = StringField(names.FIELDS["position"], filters=[line], render_kw={"inputmode": "numeric"})

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        offered = languages.choices(languages.current())
        own = self.language.data or ""
        if languages.is_language(own) and own not in [tag for tag, _name in offered]:
            offered = (*offered, (own, languages.name_here(own)))
        self.language.choices = choices_of(offered)
        self.read_links: list[tuple[str, str]] = []

    def validate_position(self, field: StringField) -> None:
        if field.data and whole_number(field.data) is None:
            raise ValidationError(_("Please enter a whole number; the smallest stands first."))

    def validate_links(self, field: TextAreaField) -> None:
        """One a line: address, blank, title."""
        for number, text in enumerate((field.data or "").splitlines(), 1):
            url, _blank, title = text.strip().partition(" ")
            if not url:
                continue
            try:
                self.read_links.append((read.text(300)(title.strip() or url), read.url(url)))
            except ValueError:
                said = _("Line %(line)s: an address that begins with https://, a blank and a title are needed.")
                raise ValidationError(said % {"line": number}) from None

    def record(self, slug: str) -> ProgramRecord:
        return ProgramRecord(
            slug=self.slug_or(slug),
            title=self.title.data or "",
            quotation=self.quotation.data or "",
            quotation_source=self.quotation_source.data or "",
            language=self.language.data or "",
            position=whole_number(self.position.data) or 0,
            links=self.read_links,
            body=self.body.data or "",
        )

    @staticmethod
    def values_of(program: Program) -> dict[str, Any]:
        links = "\n".join(f"{link.url} {link.title}" for link in program.links)
        fields = ("title", "quotation", "quotation_source", "language", "body")
        return {name: getattr(program, name) for name in fields} | {"links": links, "position": str(program.position)}


def program_of(content: Content) -> ProgramRecord:
    return ProgramRecord(**content | {"links": [(title, url) for title, url in content["links"]]})


class UpdateForm(PageForm):
    kind = Update
    published_on = StringField(
        names.FIELDS["published_on"],
        filters=[line],
        validators=[required(_("Please say of which day it is.")), a_date],
        render_kw={"type": "date"},
    )
    is_victory = BooleanField(names.FIELDS["is_victory"])
    body = markdown(names.FIELDS["body"], 12)

    def record(self, slug: str, program: Program, campaign: Campaign | None) -> UpdateRecord:
        return UpdateRecord(
            slug=self.slug_or(slug),
            where=NOWHERE,
            published_on=read.date(self.published_on.data or ""),
            program=None if campaign else program.slug,
            campaign=campaign.slug if campaign else None,
            title=self.title.data or "",
            is_victory=bool(self.is_victory.data),
            body=self.body.data or "",
        )

    @staticmethod
    def values_of(update: Update) -> dict[str, Any]:
        fields = ("title", "is_victory", "body")
        return {name: getattr(update, name) for name in fields} | {"published_on": update.published_on.isoformat()}


def update_of(content: Content) -> UpdateRecord:
    return UpdateRecord(where=NOWHERE, **content | {"published_on": read.date(content["published_on"])})


class StoryForm(PageForm):
    kind = Story
    byline = text_line(names.FIELDS["byline"])
    body = markdown(names.FIELDS["body"], 12)

    def record(self, slug: str, program: Program, _campaign: Campaign | None) -> StoryRecord:
        return StoryRecord(
            slug=self.slug_or(slug),
            where=NOWHERE,
            program=program.slug,
            title=self.title.data or "",
            byline=self.byline.data or "",
            body=self.body.data or "",
        )

    @staticmethod
    def values_of(story: Story) -> dict[str, Any]:
        return {name: getattr(story, name) for name in ("title", "byline", "body")}


def story_of(content: Content) -> StoryRecord:
    return StoryRecord(where=NOWHERE, **content)


class ResourceForm(BaseForm):
    """A document elsewhere. Its address is what it is known by, so it is given once."""

    base = HiddenField()
    title = text_line(names.FIELDS["title"], _NEEDS_TITLE)
    url = StringField(
        names.FIELDS["url"],
        filters=[line],
        validators=[required(_("Please enter its address.")), a_url],
        render_kw={"type": "url"},
    )
    publisher = text_line(names.FIELDS["publisher"])

    def __init__(self, *, is_new: bool, **values: Any) -> None:
        super().__init__(**values)
        if not is_new:
            del self.url

    def record(self, url: str, program: Program, _campaign: Campaign | None) -> ResourceRecord:
        return ResourceRecord(
            where=NOWHERE,
            program=program.slug,
            title=self.title.data or "",
            url=url or self.url.data or "",
            publisher=self.publisher.data or "",
        )

    @staticmethod
    def values_of(resource: Resource) -> dict[str, Any]:
        return {name: getattr(resource, name) for name in ("title", "url", "publisher")}


def resource_of(content: Content) -> ResourceRecord:
    return ResourceRecord(where=NOWHERE, **content)
