"""The form of one mail provider: what it ignores in an address."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, Field, SelectField, StringField, ValidationError
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]

from actionkit.addresses import AddressInvalid, canonical
from actionkit.forms import BaseForm, line, required
from actionkit.review import twins
from actionkit.review.models import ProviderRule
from actionkit.review.twins import Provider


def _a_domain(_form: Any, field: Field) -> None:
    """Refuse what no address can have behind its @, and keep the domain as addresses are compared."""
    if not field.data:
        return
    try:
        field.data = canonical(f"name@{field.data.removeprefix('@')}").rpartition("@")[2]
    except AddressInvalid:
        raise ValidationError(_("This is not a domain. It looks like example.org.")) from None


class ProviderForm(BaseForm):
    """A domain, and either the domain that it is another name of, or what it ignores itself."""

    domain = StringField(
        _("Domain"),
        filters=[line],
        validators=[required(_("Please enter the domain.")), _a_domain],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )
    same_as = StringField(
        _("Another name of"),
        filters=[line],
        validators=[_a_domain],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )
    ignores_dots = BooleanField(_("Dots before the @ make no difference"))
    tag_separator = SelectField(
        _("What begins a tag"),
        choices=[
            SelectChoice("", _("nothing: it has no tags")),
            SelectChoice("+", _("+ as in name+tag")),
            SelectChoice("-", _("- as in name-tag")),
        ],
        default="",
    )

    @classmethod
    def of(cls, rule: ProviderRule | None) -> ProviderForm:
        """The form of a provider that is to be changed, or an empty one."""
        return cls(formdata=None, obj=rule)

    def validate_same_as(self, field: Field) -> None:
        """One step, so that what is written in a row is what happens: never a chain, never a ring."""
        if not field.data:
            return
        if field.data == self.domain.data:
            raise ValidationError(gettext("A domain is no other name of itself. Leave this empty."))
        target = twins.find_rule(field.data)
        if target is None or target.same_as:
            raise ValidationError(gettext("Please name a domain of the list that is no other name itself."))
        if twins.aliases_of(self.domain.data or ""):
            raise ValidationError(gettext("Other domains are names of this one. Change them first."))

    @property
    def provider(self) -> Provider:
        """What the form says; another name has no rule of its own."""
        if self.same_as.data:
            return Provider(same_as=self.same_as.data)
        return Provider("", bool(self.ignores_dots.data), self.tag_separator.data or "")
