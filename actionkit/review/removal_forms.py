"""What staff fill in to take signatures out by a rule: the rule, and then the reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import DateTimeLocalField, SelectField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import Optional

from actionkit import countries, languages
from actionkit.forms import BaseForm, at_most, clean_prose, line, required
from actionkit.review.removal_rules import Rule
from actionkit.screening.lists import PatternInvalid, canonical_pattern
from actionkit.screening.models import RuleKind
from actionkit.signing.operations import STATE_NAMES
from actionkit.signing.search import reason_name
from actionkit.signing.taking_out import CAN_BE_TAKEN_OUT

LONGEST_TEXT = 200
LONGEST_NETWORK = 32
LONGEST_REASON = 300
_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"]


def _moment(label: Any) -> DateTimeLocalField:
    """A moment in UTC, as the desk shows times; or none."""
    settings: dict[str, Any] = {
        "format": _FORMATS,
        "tz": dt.UTC,
        "invalid_value_message": _("This is not a day with a time. They look like 2026-03-31T18:00."),
    }
    return DateTimeLocalField(label, validators=[Optional()], **settings)


def _text(label: Any, longest: int = LONGEST_TEXT) -> StringField:
    return StringField(
        label,
        filters=[line],
        validators=[
            at_most(longest, _("This is too long.")),
            clean_prose(_("This holds a character that nobody can have typed.")),
        ],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )


class RuleForm(BaseForm):
    """Which signatures. Empty fields ask for nothing; all others must hold."""

    domain = _text(_("Mail domain"), 253)
    network = _text(_("Network"), LONGEST_NETWORK)
    country = SelectField(
        _("Country"),
        default="",
        choices=lambda: [
            SelectChoice("", _("any")),
            *(SelectChoice(code, name) for code, name in countries.choices(languages.current())),
        ],
    )
    name = _text(_("In the name"))
    comment = _text(_("In the comment"))
    state = SelectField(
        _("State"),
        default="",
        choices=[
            SelectChoice("", _("any")),
            *(SelectChoice(str(each), STATE_NAMES[each]) for each in CAN_BE_TAKEN_OUT),
        ],
    )
    reason = SelectField(_("Held because"), default="", validate_choice=False)
    signed_from = _moment(_("Signed from (UTC)"))
    signed_before = _moment(_("Signed before (UTC)"))

    def __init__(self, reasons: Iterable[str], **kwargs: Any) -> None:
        """`reasons` are those of the signatures that are held now."""
        super().__init__(**kwargs)
        known = [*reasons, *([self.reason.data] if self.reason.data else [])]
        self.reason.choices = [
            SelectChoice("", _("any")),
            *(SelectChoice(each, reason_name(each)) for each in dict.fromkeys(known) if each),
        ]

    @classmethod
    def of(cls, reasons: Iterable[str], rule: Rule) -> RuleForm:
        """The form filled in with a rule."""
        return cls(reasons, formdata=None, data=vars(rule))

    @classmethod
    def linked(cls, reasons: Iterable[str], query: Mapping[str, str]) -> RuleForm:
        """The form as a link fills it in: with nothing that is a person's."""
        domain, network = (line(query.get(name, ""))[:253] for name in ("domain", "network"))
        return cls.of(reasons, Rule(domain=domain, network=network))

    @property
    def rule(self) -> Rule:
        """What was asked for, once the form is valid."""
        asked = {field.name: field.data for field in self if field.data and field.name in Rule.__dataclass_fields__}
        return Rule(**asked)

    def validate(self, **kwargs: Any) -> bool:
        """Also puts the domain into the form in which addresses have theirs."""
        if not super().validate(**kwargs):
            return False
        if self.domain.data:
            try:
                self.domain.data = canonical_pattern(RuleKind.DOMAIN, self.domain.data)
            except PatternInvalid as fault:
                self.domain.errors = [str(fault)]
                return False
        if self.signed_from.data and self.signed_before.data and self.signed_before.data <= self.signed_from.data:
            self.signed_before.errors = [_("This lies before the other time, so nobody signed between them.")]
            return False
        if not self.rule.is_enough:
            self.refuse(_("Please say which signatures, by more than their state."))
            return False
        return True

    def refuse(self, sentence: Any) -> None:
        """Say what is wrong with the rule as a whole, above it and at its first field."""
        self.domain.errors = [sentence]


class ReasonForm(BaseForm):
    """Why the signatures are taken out."""

    reason = StringField(
        _("Why they are taken out"),
        filters=[line],
        validators=[
            required(_("Please say why, for whoever looks at this later.")),
            at_most(LONGEST_REASON, _("The reason may have at most 300 characters.")),
            clean_prose(_("This holds a character that nobody can have typed.")),
        ],
        render_kw={"autocomplete": "off"},
    )
