"""How a campaign's letters leave, as staff set it."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, StringField, ValidationError

from actionkit.delivery import office_hours
from actionkit.forms import BaseForm, line
from actionkit.numbers import whole_number

MOST_PER_HOUR = 1_000_000


class PaceForm(BaseForm):
    """Pace, office hours and spread. Empty = the default, and any time."""

    per_hour = StringField(_("Letters an hour to one official"), filters=[line], render_kw={"inputmode": "numeric"})
    hours = StringField(_("Office hours"), filters=[line], render_kw={"autocomplete": "off", "maxlength": 32})
    spread = BooleanField(_("Spread them evenly until the campaign closes"))

    def validate_per_hour(self, field: StringField) -> None:
        number = whole_number(field.data)
        if field.data and (number is None or not 0 <= number <= MOST_PER_HOUR):
            raise ValidationError(_("Please enter a whole number, such as 30; 0 sends them as fast as it goes."))

    def validate_hours(self, field: StringField) -> None:
        try:
            field.data = str(office_hours.parse(field.data or "") or "")
        except office_hours.HoursFault:
            raise ValidationError(_("Office hours are written such as Mon-Fri 09:00-17:00.")) from None

    @property
    def chosen(self) -> dict[str, Any]:
        """The columns of a campaign, from a valid form."""
        return {
            "letters_per_hour": whole_number(self.per_hour.data),
            "office_hours": self.hours.data or "",
            "spreads_letters": bool(self.spread.data),
        }
