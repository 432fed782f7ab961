"""Inviting somebody, and giving a role."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import RadioField, SelectMultipleField, ValidationError
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]
from wtforms.widgets import CheckboxInput, ListWidget

from actionkit.campaigns.models import Campaign
from actionkit.forms import BaseForm, EmailField, an_address, line, required
from actionkit.staff.models import StaffRole

ROLES = {
    StaffRole.VIEWER: _("viewer: sees campaigns, signatures and letters"),
    StaffRole.CAMPAIGNER: _("campaigner: also acts, edits and takes signatures out"),
    StaffRole.ADMIN: _("administrator: everything, people and installation included"),
}
ROLE_NAMES = {
    StaffRole.VIEWER: _("viewer"),
    StaffRole.CAMPAIGNER: _("campaigner"),
    StaffRole.ADMIN: _("administrator"),
}


class RoleForm(BaseForm):
    """A role, for all campaigns or for some."""

    role = RadioField(
        _("Role"),
        choices=[SelectChoice(str(role), label) for role, label in ROLES.items()],
        default=str(StaffRole.VIEWER),
    )
    campaigns = SelectMultipleField(
        _("Only for these campaigns"),
        coerce=int,
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )

    def __init__(self, campaigns: list[Campaign], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.campaigns.choices = [SelectChoice(each.id, each.text_in(each.language).title) for each in campaigns]

    def validate_campaigns(self, field: SelectMultipleField) -> None:
        if field.data and self.role.data == StaffRole.ADMIN:
            raise ValidationError(_("An administrator is one for all campaigns. Choose another role for some of them."))


class InviteForm(RoleForm):
    """Whom to invite."""

    email = EmailField(
        _("E-mail address"),
        filters=[line],
        validators=[required(_("Please enter an e-mail address.")), an_address],
        render_kw={"autocomplete": "off", "type": "email", "inputmode": "email"},
    )
