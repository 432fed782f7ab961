"""A line of the lists, as staff write it."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import SelectField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]

from actionkit.forms import BaseForm, at_most, line, required
from actionkit.screening.lists import PatternInvalid, canonical_pattern
from actionkit.screening.models import RuleAction, RuleKind

LONGEST_NOTE = 300

KINDS = {
    RuleKind.DOMAIN: _("a mail domain"),
    RuleKind.NETWORK: _("a network"),
    RuleKind.ADDRESS: _("one e-mail address"),
}
ACTIONS = {
    RuleAction.HOLD: _("hold for review"),
    RuleAction.ALLOW: _("always let through"),
}


class RuleForm(BaseForm):
    """What to look at, what it has to look like, and what happens then."""

    kind = SelectField(_("Kind"), choices=[SelectChoice(str(kind), name) for kind, name in KINDS.items()])
    pattern = StringField(
        _("Domain, network or address"),
        filters=[line],
        validators=[required(_("Please enter a domain, a network or an address."))],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "maxlength": 320},
    )
    action = SelectField(_("What to do"), choices=[SelectChoice(str(action), name) for action, name in ACTIONS.items()])
    note = StringField(
        _("Note"),
        filters=[line],
        validators=[at_most(LONGEST_NOTE, _("The note may have at most 300 characters."))],
        render_kw={"autocomplete": "off"},
    )

    def validate(self, **kwargs: Any) -> bool:
        """Also puts the pattern into the form in which it is stored."""
        if not super().validate(**kwargs):
            return False
        try:
            self.pattern.data = canonical_pattern(RuleKind(self.kind.data), self.pattern.data or "")
        except PatternInvalid as fault:
            self.pattern.errors = [str(fault)]
        return not self.pattern.errors
