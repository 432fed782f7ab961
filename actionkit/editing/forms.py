"""The form of a campaign: how it is set, and what it says in one language. Names are those of content files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, Field, Form, HiddenField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]

from actionkit.content import fields as read
from actionkit.delivery import office_hours
from actionkit.editing import faults, names
from actionkit.forms import BaseForm, CountryField, at_most, clean_prose, line, prose, required
from actionkit.numbers import whole_number
from actionkit.text import unix_lines

LONGEST_TITLE = 300
LONGEST_SUMMARY = 2_000
LONGEST_TEXT = 200_000
MOST_PER_HOUR = 1_000_000

_CANNOT_TAKE = _("This holds a character that we cannot take.")


def choices_of(pairs: Iterable[tuple[str, Any]]) -> list[SelectChoice]:
    """(value, name) pairs as a select takes them."""
    return [SelectChoice(str(value), name) for value, name in pairs]


def one_line(_form: Any, field: Field) -> None:
    try:
        read.text(LONGEST_TITLE)(field.data or "")
    except ValueError:
        raise ValidationError(_("This must be one line of at most 300 characters.")) from None
    if not _is_clean(field.data or ""):
        raise ValidationError(_CANNOT_TAKE)


def _is_clean(text: str) -> bool:
    return "\ufffd" not in text and not any(0xD800 <= ord(character) < 0xE000 for character in text)


def through(reader: Callable[[str], Any], message: Any) -> Callable[[Any, Field], None]:
    """What content files accept, and no more."""

    def check(_form: Any, field: Field) -> None:
        try:
            if field.data:
                reader(field.data)
        except ValueError:
            raise ValidationError(message) from None

    return check


a_date = through(read.date, _("This is no day. One is written such as 2026-03-31."))
a_slug = through(
    read.slug, _("Only lower-case letters a to z, digits and single hyphens, at most 100; some words are taken.")
)
a_url = through(read.url, _("An address is needed that begins with https://."))


def text_line(label: Any, message: Any = None, **attributes: Any) -> StringField:
    """One line of at most 300 characters, which must be there where a message says so."""
    must = [required(message)] if message else []
    return StringField(
        label, filters=[line], validators=[*must, one_line], render_kw={"maxlength": LONGEST_TITLE, **attributes}
    )


def markdown(label: Any, rows: int, most: int = LONGEST_TEXT) -> TextAreaField:
    return TextAreaField(
        label,
        filters=[prose, str.strip],
        validators=[at_most(most, _("This is too long.")), clean_prose(_CANNOT_TAKE)],
        render_kw={"rows": rows},
    )


@cache
def zones() -> list[str]:
    """Names of time zones that people know, without the many old spellings."""
    return ["UTC", *sorted(name for name in available_timezones() if name.split("/")[0] in _CONTINENTS)]


_CONTINENTS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)


class CampaignForm(BaseForm):
    """How a campaign is set. `base` is the version that it began with."""

    base = HiddenField()
    program = SelectField(names.FIELDS["program"])
    country = CountryField()
    language = SelectField(names.FIELDS["language"])
    timezone = SelectField(names.FIELDS["timezone"])
    goal = StringField(names.FIELDS["goal"], filters=[line], render_kw={"inputmode": "numeric", "autocomplete": "off"})
    opens_on = StringField(names.FIELDS["opens_on"], filters=[line], validators=[a_date], render_kw={"type": "date"})
    closes_on = StringField(names.FIELDS["closes_on"], filters=[line], validators=[a_date], render_kw={"type": "date"})
    letters = SelectField(names.FIELDS["letters"], choices=choices_of(names.LETTERS.items()))
    reply_to = SelectField(names.FIELDS["reply_to"], choices=choices_of(names.REPLY_TO.items()))
    letter_editable = BooleanField(names.FIELDS["letter_editable"])
    letters_per_hour = StringField(names.FIELDS["letters_per_hour"], filters=[line], render_kw={"inputmode": "numeric"})
    office_hours = StringField(names.FIELDS["office_hours"], filters=[line], render_kw={"maxlength": 32})
    spread_letters = BooleanField(names.FIELDS["spread_letters"])
    shows_removed = BooleanField(names.FIELDS["shows_removed"])
    successor = SelectField(names.FIELDS["successor"])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer_zone("UTC")
        self.country.label.text = names.FIELDS["country"]

    def offer_zone(self, name: str) -> None:
        """The zones that people know, and this one."""
        self.timezone.choices = choices_of((each, each.replace("_", " ")) for each in dict.fromkeys([*zones(), name]))

    def validate_goal(self, field: StringField) -> None:
        if field.data and whole_number(field.data) is None:
            raise ValidationError(_("Please enter a whole number, such as 5000, or nothing for no goal."))

    def validate_letters_per_hour(self, field: StringField) -> None:
        number = whole_number(field.data)
        if field.data and (number is None or number > MOST_PER_HOUR):
            raise ValidationError(_("Please enter a whole number, such as 30; 0 sends them as fast as it goes."))

    def validate_office_hours(self, field: StringField) -> None:
        try:
            field.data = str(office_hours.parse(field.data or "") or "")
        except office_hours.HoursFault:
            raise ValidationError(_("Office hours are written such as Mon-Fri 09:00-17:00.")) from None

    def validate_closes_on(self, field: StringField) -> None:
        if self.opens_on.errors or field.errors or not (field.data and self.opens_on.data):
            return
        if read.date(field.data) < read.date(self.opens_on.data):
            raise ValidationError(_("The last day lies before the first day."))


class TextForm(Form):
    """What a campaign says in one language."""

    title = text_line(names.FIELDS["title"], _("A title is needed in each language."))
    summary = markdown(names.FIELDS["summary"], 3, LONGEST_SUMMARY)
    body = markdown(names.FIELDS["body"], 14)
    subject = StringField(names.FIELDS["subject"], filters=[line], render_kw={"autocomplete": "off"})
    template = TextAreaField(
        names.FIELDS["template"],
        filters=[lambda value: unix_lines(value or "").strip("\n")],
        validators=[clean_prose(_CANNOT_TAKE)],
        render_kw={"rows": 16},
    )
    closing = markdown(names.FIELDS["closing"], 3, LONGEST_SUMMARY)

    @property
    def has_letter(self) -> bool:
        return bool((self.subject.data or "").strip() or (self.template.data or "").strip())

    def validate_subject(self, field: StringField) -> None:
        one_line(self, field)
        if self.has_letter and (said := faults.of(field.data or "", is_subject=True)):
            raise ValidationError(said)

    def validate_template(self, field: TextAreaField) -> None:
        if self.has_letter and (said := faults.of(field.data or "")):
            raise ValidationError(said)
