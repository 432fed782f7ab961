"""The form under every campaign."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, Field, HiddenField, StringField, TextAreaField, ValidationError

from actionkit.campaigns.models import Campaign
from actionkit.forms import (
    CountryField,
    PublicForm,
    at_most,
    clean_prose,
    email_field,
    name_field,
    postcode_field,
    prose,
)
from actionkit.numbers import whole_number
from actionkit.signing.kinds import kind_of
from actionkit.signing.models import Purpose

LONGEST_COMMENT = 2_000
LONGEST_LETTER = 10_000
NO = (False, "false", "", "0", "no", "off")
"""What programs send for a tick that is not set; a browser sends nothing."""


def _is_yes(_form: Any, field: Field) -> None:
    if field.raw_data != ["yes"]:
        raise ValidationError(_("Please tick the box to agree; without it we may not keep your signature."))


class SignForm(PublicForm):
    """Name, address and country, and what a supporter may add. Field names are the contract's."""

    name = name_field()
    email = email_field()
    country = CountryField()
    postcode = postcode_field()
    comment = TextAreaField(
        _("A sentence of your own"),
        filters=[prose],
        validators=[
            at_most(LONGEST_COMMENT, _("Your sentence may have at most 2,000 characters.")),
            clean_prose(_("Your sentence holds a character that we cannot take.")),
        ],
        render_kw={"rows": 3},
    )
    letter = TextAreaField(
        _("Your own letter"),
        filters=[prose],
        validators=[
            at_most(LONGEST_LETTER, _("Your letter may have at most 10,000 characters.")),
            clean_prose(_("Your letter holds a character that we cannot take.")),
        ],
        render_kw={"rows": 10},
    )
    show_name = BooleanField(_("Show my name and country on this page"), false_values=NO)
    updates = BooleanField(false_values=NO)
    consent = BooleanField(validators=[_is_yes], render_kw={"value": "yes", "required": True})
    website = StringField(_("Leave this empty"))
    letter_version = HiddenField()
    seconds = HiddenField()
    """How long the page was open, filled in by its script."""

    @classmethod
    def for_campaign(cls, campaign: Campaign, texts: dict[Purpose, str], **values: Any) -> SignForm:
        """The form of a campaign, with the consent wordings it shows beside its ticks."""
        form = cls(**values)
        kind = kind_of(campaign)
        if not kind.takes_own_letter:
            del form.letter
        if kind.sends_reports:
            form.show_name.label.text = _("Show my name and country on this page and in reports to officials")
        form.consent.label.text = texts[Purpose.SIGN]
        form.updates.label.text = texts[Purpose.UPDATES]
        return form

    def empty(self) -> None:
        """Forget all that was typed."""
        for field in self:
            field.data = field.raw_data = field.object_data = None
        self.email.canonical = ""

    @property
    def is_from_a_robot(self) -> bool:
        """Whether the field that people do not see was filled."""
        return bool(self.website.data)

    def is_valid(self, *, with_consent: bool = True) -> bool:
        """Whether all may be stored; a preview needs no consent yet."""
        is_valid = self.validate()
        if not with_consent:
            self.consent.errors = []
            is_valid = not any(field.errors for field in self)
        return self.refuse_repeats(dict(request.form.lists())) and is_valid

    @property
    def own_letter(self) -> str:
        return (self.letter.data or "") if "letter" in self else ""

    @property
    def version_id(self) -> int | None:
        """The letter version that the form says it showed."""
        return whole_number(self.letter_version.data)

    @property
    def seconds_on_form(self) -> int | None:
        """What the script says, and nothing where there was none: a hint, never a reason."""
        return whole_number(self.seconds.data)
