"""What every form has in common, and the fields that two features share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from markupsafe import Markup, escape
from wtforms import Field, SelectField, StringField, ValidationError
from wtforms.widgets import Select, html_params

from actionkit import addresses, countries, languages
from actionkit.text import has_letter, line_is_clean, prose_is_clean, trim_line, unix_lines

LONGEST_NAME = 200
LONGEST_POSTCODE = 16


class BaseForm(FlaskForm):  # type: ignore[misc]
    """A form whose errors can be shown together above it, each with a link to its field."""

    def error_summary(self) -> list[tuple[str, str]]:
        """(id of the field, sentence) for every error, in the order of the fields."""
        return [(field.id, str(error)) for field in self for error in field.errors]


class PublicForm(BaseForm):
    """A form for people without a session: no token, since there is no login to ride on.

    See docs/decisions/0001-stateless-public-forms.md.
    """

    class Meta:
        csrf = False

        def get_translations(self, _form: Any) -> None:
            """None: every sentence is ours, and reading WTForms' own catalogue costs as much as storing a row."""

    def refuse_repeats(self, sent: Mapping[str, list[str]]) -> bool:
        """Add an error to each known field that was sent twice; whether there is none."""
        repeated = [field for field in self if len(sent.get(field.name, ())) > 1]
        for field in repeated:
            field.errors = [*field.errors, _("This was sent twice. Please fill it in once.")]
        return not repeated


def line(value: str | None) -> str:
    """Filter: the text as a line is stored."""
    return trim_line(value or "")


def prose(value: str | None) -> str:
    """Filter: the text as prose is stored; only blanks are nothing."""
    text = unix_lines(value or "")
    return text if text.strip() else ""


def required(message: Any) -> Callable[[Any, Field], None]:
    """Demand a value, with a sentence that names the field."""

    def check(_form: Any, field: Field) -> None:
        if not field.data:
            raise ValidationError(message)

    # WTForms draws the `required` attribute and stops at the first fault by this flag.
    check.field_flags = {"required": True}  # type: ignore[attr-defined]
    return check


def at_most(characters: int, message: Any) -> Callable[[Any, Field], None]:
    def check(_form: Any, field: Field) -> None:
        if len(field.data or "") > characters:
            raise ValidationError(message)

    check.field_flags = {"maxlength": characters}  # type: ignore[attr-defined]
    return check


def clean_line(message: Any) -> Callable[[Any, Field], None]:
    def check(_form: Any, field: Field) -> None:
        if not line_is_clean(field.data or ""):
            raise ValidationError(message)

    return check


def clean_prose(message: Any) -> Callable[[Any, Field], None]:
    def check(_form: Any, field: Field) -> None:
        if not prose_is_clean(field.data or ""):
            raise ValidationError(message)

    return check


def a_name(_form: Any, field: Field) -> None:
    if field.data and not has_letter(field.data):
        raise ValidationError(_("Your name needs at least one letter."))


class EmailField(StringField):
    """An address; once it is valid `data` is its normal form and `canonical` its canonical one."""

    canonical = ""


def an_address(_form: Any, field: EmailField) -> None:
    """Refuse what mail cannot be sent to, and keep both forms of the address."""
    if not field.data:
        return
    try:
        address = addresses.read(field.data)
        field.data, field.canonical = address.normal, address.canonical
    except addresses.AddressInvalid:
        raise ValidationError(_("This is not a complete e-mail address. It looks like name@example.org.")) from None


def name_field() -> StringField:
    return StringField(
        _("Your name"),
        filters=[line],
        validators=[
            required(_("Please enter your name.")),
            at_most(LONGEST_NAME, _("Your name may have at most 200 characters.")),
            clean_line(
                _("Your name holds a character that we cannot take: no < > { }, no links, no = + - @ at its beginning.")
            ),
            a_name,
        ],
        render_kw={"autocomplete": "name"},
    )


def email_field() -> EmailField:
    return EmailField(
        _("Your e-mail address"),
        filters=[line],
        validators=[required(_("Please enter your e-mail address.")), an_address],
        render_kw={"autocomplete": "email", "type": "email", "inputmode": "email"},
    )


def postcode_field() -> StringField:
    return StringField(
        _("Postcode"),
        filters=[line],
        validators=[
            at_most(LONGEST_POSTCODE, _("A postcode may have at most 16 characters.")),
            clean_line(_("The postcode holds a character that we cannot take.")),
        ],
        render_kw={"autocomplete": "postal-code"},
    )


class _CountrySelect(Select):
    """The list of countries, drawn once for each language: 250 options cost more than the rest of a page."""

    def __call__(self, field: Any, **attributes: Any) -> Markup:
        attributes.setdefault("id", field.id)
        attributes.setdefault("required", "required" in field.flags)
        options = _country_options(languages.current(), str(field.empty_label))
        if field.data in countries.CODES:
            mark = f'value="{field.data}"'
            options = options.replace(mark, f"selected {mark}", 1)
        return Markup(f"<select {html_params(name=field.name, **attributes)}>{options}</select>")


@cache
def _country_options(language: str, empty: str) -> str:
    choices = (("", empty), *countries.choices(language))
    return "".join(f'<option value="{code}">{escape(name)}</option>' for code, name in choices)


class CountryField(SelectField):
    """A country by its code, in any case; names in the language of the page."""

    widget = _CountrySelect()
    empty_label = _("Choose your country")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            _("Country"),
            filters=[_country_code],
            choices=(),  # the widget draws them, and `_a_country` checks
            validate_choice=False,
            validators=[required(_("Please choose your country.")), _a_country],
            render_kw={"autocomplete": "country"},
            **kwargs,
        )


def _country_code(value: str | None) -> str:
    """A code in upper case. Only ASCII: the capital of "ı" is "I", but "ıt" is no country."""
    code = (value or "").strip(" ")
    return code.upper() if code.isascii() else code


def _a_country(_form: Any, field: Field) -> None:
    if field.data and field.data not in countries.CODES:
        raise ValidationError(_("Please choose a country from the list."))
