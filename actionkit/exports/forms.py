"""What staff choose for a file of signatures; and the same, as the query of the direct download has it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import lazy_gettext as _
from werkzeug.exceptions import BadRequest
from wtforms import BooleanField, DateField, SelectField, SelectMultipleField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import Optional
from wtforms.widgets import CheckboxInput, ListWidget

from actionkit import countries, languages
from actionkit.exports.wanted import ALL, COLUMNS, STATES, Wanted
from actionkit.forms import BaseForm
from actionkit.signing.models import SignatureState
from actionkit.signing.operations import STATE_NAMES

COLUMN_NAMES = {
    "signature_id": _("Id"),
    "name": _("Name"),
    "email": _("Address"),
    "country": _("Country"),
    "postcode": _("Postcode"),
    "comment": _("Comment"),
    "show_name": _("May be named"),
    "updates": _("Wants updates"),
    "state": _("State"),
    "signed_at": _("Signed"),
    "confirmed_at": _("Confirmed"),
    "language": _("Language"),
    "source": _("Source"),
}


def _day(label: Any) -> DateField:
    return DateField(label, validators=[Optional()])


class FileForm(BaseForm):
    """Which signatures and which of their columns."""

    state = SelectField(
        _("State"),
        default=SignatureState.CONFIRMED.value,
        choices=lambda: [
            *(SelectChoice(str(each), STATE_NAMES[each]) for each in SignatureState),
            SelectChoice(ALL, _("all")),
        ],
    )
    country = SelectField(
        _("Country"),
        default="",
        choices=lambda: [
            SelectChoice("", _("any")),
            *(SelectChoice(code, name) for code, name in countries.choices(languages.current())),
        ],
    )
    language = SelectField(_("Language of the page"), default="")
    signed_from = _day(_("Signed from"))
    signed_to = _day(_("Signed until"))
    columns = SelectMultipleField(
        _("Columns"),
        choices=[SelectChoice(name, label) for name, label in COLUMN_NAMES.items()],
        default=list(COLUMNS),
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )
    gz = BooleanField(_("Packed (.csv.gz), a fifth of the size"))
    bom = BooleanField(_("With a byte order mark, for older versions of Excel"))

    def __init__(self, tags: Iterable[str], **kwargs: Any) -> None:
        """`tags` are the languages of the campaign."""
        super().__init__(**kwargs)
        self.language.choices = [SelectChoice("", _("any")), *(SelectChoice(tag, tag) for tag in tags)]

    def validate(self, **kwargs: Any) -> bool:
        if not super().validate(**kwargs):
            return False
        if not self.columns.data:
            self.columns.errors = [_("Please choose at least one column.")]
            return False
        if self.signed_from.data and self.signed_to.data and self.signed_to.data < self.signed_from.data:
            self.signed_to.errors = [_("This lies before the other day, so nobody signed between them.")]
            return False
        return True

    @property
    def wanted(self) -> Wanted:
        """What was chosen, once the form is valid."""
        last_day = self.signed_to.data
        return Wanted(
            state=self.state.data,
            columns=tuple(name for name in COLUMNS if name in (self.columns.data or ())),
            country=self.country.data,
            language=self.language.data,
            signed_from=_midnight(self.signed_from.data) if self.signed_from.data else None,
            signed_before=_midnight(last_day + dt.timedelta(days=1)) if last_day else None,
            gz=self.gz.data,
            bom=self.bom.data,
        )


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def asked(query: Mapping[str, str], *, gz: bool = False) -> Wanted:
    """What the query of a download's address asks for. Raises `BadRequest` for what there is not."""
    try:
        wanted = Wanted(
            state=query.get("state", SignatureState.CONFIRMED.value),
            columns=tuple(query["columns"].split(",")) if query.get("columns") else COLUMNS,
            country=query.get("country", "").upper(),
            language=query.get("language", "")[:35],
            signed_from=_moment(query.get("from", "")),
            signed_before=_moment(query.get("before", "")),
            bom=query.get("bom") == "yes",
            gz=gz,
        )
    except ValueError:
        raise BadRequest from None
    is_known = wanted.state in STATES and set(wanted.columns) <= set(COLUMNS)
    if not is_known or (wanted.country and wanted.country not in countries.CODES):
        raise BadRequest
    return wanted


def _moment(text: str) -> dt.datetime | None:
    """A day or a moment (ISO 8601), in UTC unless it says otherwise."""
    if not text:
        return None
    at = dt.datetime.fromisoformat(text)
    return at.astimezone(dt.UTC) if at.tzinfo else at.replace(tzinfo=dt.UTC)
