"""A campaign begins: with a title and a program, or as a copy of another."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from babel.core import get_global
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import HiddenField, SelectField, StringField, ValidationError

from actionkit import db, languages
from actionkit.campaigns.models import Campaign, CampaignState, LetterMode, ReplyTo, VersionCause
from actionkit.content import store
from actionkit.content.fields import Fields
from actionkit.content.reader import CampaignRecord, TextRecord
from actionkit.editing import names
from actionkit.editing.editor import programs, record_of
from actionkit.editing.forms import a_slug, choices_of, text_line
from actionkit.forms import BaseForm, CountryField, line, required
from actionkit.letters import history


class NewCampaignForm(BaseForm):
    """The little that a draft needs; everything else is written in the editor."""

    title = text_line(names.FIELDS["title"], _("Please give it a title: the demand, in one sentence."))
    program = SelectField(names.FIELDS["program"], validators=[required(_("Please choose a program."))])
    country = CountryField()
    language = SelectField(names.FIELDS["language"])
    slug = StringField(_("Its address on this site"), filters=[line], validators=[a_slug])
    copy_of = HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.program.choices = programs()
        self.language.choices = choices_of(languages.choices(languages.current()))
        self.country.label.text = names.FIELDS["country"]

    def take_language_of(self, source: Campaign) -> None:
        """A copy keeps its languages, so there is nothing to choose."""
        self.language.choices = choices_of([(source.language, languages.name_here(source.language))])
        self.language.data = source.language

    def validate_slug(self, field: StringField) -> None:
        field.data = field.data or slug_from(self.title.data or "")
        if not field.data:
            raise ValidationError(_("Please choose one: lower-case letters a to z, digits and hyphens."))
        if is_taken(field.data):
            raise ValidationError(_("Another campaign has this address already. Please choose another."))


def slug_from(title: str) -> str:
    """The title in the letters of an address, or "" where it has none of them."""
    plain = unicodedata.normalize("NFKD", title.lower()).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain)
    slug = ""
    for word in words:
        if len(slug) + len(word) >= 60:
            break
        slug = f"{slug}-{word}" if slug else word
    return slug


def is_taken(slug: str) -> bool:
    return db.session.scalar(sa.select(Campaign.id).where(Campaign.slug == slug)) is not None


def zone_of(country: str) -> str:
    """The time zone of a country that has one; of several, the first that is known."""
    zones = get_global("territory_zones").get(country, [])
    return str(zones[0]) if zones else "UTC"


def create(form: NewCampaignForm, source: Campaign | None) -> Campaign:
    """A draft with what the form says, and with all that `source` says otherwise, but its dates and its ending."""
    slug, title = form.slug.data or "", form.title.data or ""
    language = form.language.data or ""
    if source is None:
        record = CampaignRecord(
            slug=slug,
            where=Fields(slug, {}, {}),
            program=form.program.data or "",
            country=form.country.data or "",
            state=CampaignState.DRAFT,
            outcome=None,
            goal=0,
            opens_on=None,
            closes_on=None,
            timezone=zone_of(form.country.data or ""),
            language=language,
            letters=LetterMode.EACH,
            is_letter_editable=False,
            letters_per_hour=None,
            office_hours="",
            spreads_letters=False,
            reply_to=ReplyTo.SUPPORTER,
            shows_removed=False,
            officials=[],
            texts={language: TextRecord(title, "", "", None, "")},
            successor="",
        )
    else:
        record = _copy(form, source)
    return store.store_campaign(record, VersionCause.SAVED, is_whole=True)


def _copy(form: NewCampaignForm, source: Campaign) -> CampaignRecord:
    record = record_of(history.content_of(source), source)
    texts = {tag: replace(text, closing="") for tag, text in record.texts.items()}
    texts[source.language] = replace(texts[source.language], title=form.title.data or "")
    country = form.country.data or ""
    return replace(
        record,
        slug=form.slug.data or "",
        program=form.program.data or "",
        country=country,
        timezone=record.timezone if country == source.country else zone_of(country),
        state=CampaignState.DRAFT,
        outcome=None,
        opens_on=None,
        closes_on=None,
        successor="",
        texts=texts,
    )


def copied_title(source: Campaign) -> str:
    return gettext("Copy of %(title)s", title=source.text_in(source.language).title)
