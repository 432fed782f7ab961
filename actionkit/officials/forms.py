"""An official as staff write it down."""

from __future__ import annotations

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from babel import Locale
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, SelectField, StringField, ValidationError

from actionkit import countries, languages
from actionkit.campaigns.models import Official
from actionkit.forms import BaseForm, an_address, at_most, clean_line, line, required
from actionkit.forms import EmailField as AddressField
from actionkit.text import has_letter

LONGEST = {"name": 200, "salutation": 200, "office": 300, "organisation": 300, "postal_address": 500}
FIELDS = (
    *("name", "salutation", "office", "organisation", "country"),
    *("language", "timezone", "postal_address", "wants_digest"),
)
"""The columns of an official that a form sets."""

_NOT_CLEAN = _("A character in it cannot be taken: no < > { }, no links, no = + - @ at its beginning.")


def _line(label: Any, column: str, *, demanded: Any = None, **attributes: Any) -> StringField:
    most = LONGEST[column]
    return StringField(
        label,
        filters=[line],
        validators=[
            *([required(demanded)] if demanded else []),
            at_most(most, _("This is too long. Please shorten it.")),
            clean_line(_NOT_CLEAN),
        ],
        render_kw={"autocomplete": "off", **attributes},
    )


def email_field(label: Any) -> AddressField:
    return AddressField(
        label,
        filters=[line],
        validators=[required(_("Please enter the e-mail address of the office.")), an_address],
        render_kw={"autocomplete": "off", "type": "email", "inputmode": "email"},
    )


class OfficialForm(BaseForm):
    """All about an official but its mail addresses, which have a place of their own."""

    name = _line(_("Name"), "name", demanded=_("Please enter a name, such as The Minister of Health."))
    salutation = _line(_("Salutation"), "salutation")
    office = _line(_("Office"), "office")
    organisation = _line(_("Organisation"), "organisation")
    country = SelectField(_("Country"), validate_choice=True)
    language = SelectField(_("Language of its letters"), validate_choice=True)
    timezone = SelectField(_("Time zone"), validate_choice=True)
    postal_address = _line(_("Postal address"), "postal_address")
    wants_digest = BooleanField(_("Gets a report a day in place of letters"))

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        here = languages.current()
        self.country.choices = [("", _("none")), *countries.choices(here)]
        self.language.choices = _languages(here, str(values.get("language", "en")))
        self.timezone.choices = [("", _("that of each campaign")), *((zone, zone) for zone in _zones())]

    def validate_name(self, field: StringField) -> None:
        if field.data and not has_letter(field.data):
            raise ValidationError(_("A name needs at least one letter."))

    @property
    def chosen(self) -> dict[str, Any]:
        """The columns of an official, from a valid form."""
        return {name: self[name].data for name in FIELDS}

    @classmethod
    def about(cls, official: Official) -> OfficialForm:
        return cls(formdata=None, **{name: getattr(official, name) for name in FIELDS})


class NewOfficialForm(OfficialForm):
    """One that is added by hand."""

    email = email_field(_("E-mail address of the office"))

    @property
    def address(self) -> str:
        """Its normal form, from a valid form."""
        return str(self.email.data)


class AddressForm(BaseForm):
    """One more address."""

    email = email_field(_("Another e-mail address of this office"))

    @property
    def address(self) -> str:
        """Its normal form, from a valid form."""
        return str(self.email.data)


def _languages(here: str, own: str) -> list[tuple[str, str]]:
    known = list(language_names(here))
    return known if own in dict(known) else [(own, languages.name_here(own)), *known]


@cache
def language_names(here: str) -> tuple[tuple[str, str], ...]:
    """(tag, name) of every language of two letters, as a reader of `here` would look for them."""
    names: dict[str, str] = dict(Locale.parse(here, sep="-").languages)
    known = ((tag, name) for tag, name in names.items() if len(tag) == 2 and languages.is_language(tag))
    return tuple(sorted(known, key=lambda pair: pair[1].casefold()))


@cache
def _zones() -> tuple[str, ...]:
    areas = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    return ("UTC", *sorted(zone for zone in available_timezones() if zone.startswith(areas)))
