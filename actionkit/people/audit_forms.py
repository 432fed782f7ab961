"""What of the audit trail is asked for."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import DateField, SelectField, ValidationError
from wtforms.validators import Optional

from actionkit.forms import PublicForm
from actionkit.numbers import whole_number
from actionkit.people.trail import Wanted


class TrailForm(PublicForm):
    """A form that is sent by GET: it changes nothing, so it carries no token."""

    since = DateField(_("From"), validators=[Optional()])
    until = DateField(_("Until"), validators=[Optional()])
    member = SelectField(_("Who"), validate_choice=False)
    action = SelectField(_("What"), validate_choice=False)
    campaign = SelectField(_("Campaign"), validate_choice=False)

    def validate_until(self, field: DateField) -> None:
        if field.data and self.since.data and field.data < self.since.data:
            raise ValidationError(_("The last day is before the first one."))

    @property
    def wanted(self) -> Wanted:
        """From a form whose dates are readable; whatever else is unknown finds nothing."""
        member = whole_number(self.member.data or "", most_digits=9)
        return Wanted(
            self.since.data, self.until.data, member, (self.action.data or "")[:64], (self.campaign.data or "")[:100]
        )
