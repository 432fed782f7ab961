"""The forms of a campaign's course: publish, close, reopen, pause."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, HiddenField, RadioField, SelectField, StringField, TextAreaField, ValidationError

from actionkit import db
from actionkit.campaigns.models import Campaign, Outcome
from actionkit.content import fields as read
from actionkit.editing import names
from actionkit.editing.editor import other_campaigns
from actionkit.editing.forms import LONGEST_SUMMARY, a_date, choices_of, markdown
from actionkit.forms import BaseForm, line, required
from actionkit.numbers import whole_number


class PublishForm(BaseForm):
    """What warns has been seen: `seen` names it, so that a yes is never one to something else."""

    seen = HiddenField()
    accept = BooleanField(_("I have seen these, and publish it all the same"))


class CloseForm(BaseForm):
    """How it ended, what its page says about it in each language, and where it goes on."""

    outcome = RadioField(
        _("How did it end?"),
        choices=choices_of(
            [
                (str(Outcome.WON), _("Won: what it asked for will be done")),
                (str(Outcome.LOST), _("Lost: it was refused")),
                (str(Outcome.ENDED), _("Ended without a result")),
            ]
        ),
        validators=[required(_("Please say how it ended."))],
        validate_choice=True,
    )
    successor = SelectField(names.FIELDS["successor"])

    @classmethod
    def of(cls, campaign: Campaign, **values: Any) -> CloseForm:
        """With a field for the closing words in each language."""

        class Form(cls):  # type: ignore[valid-type,misc]
            pass

        for text in campaign.texts:
            setattr(Form, f"closing_{text.language}", markdown(names.FIELDS["closing"], 4, LONGEST_SUMMARY))
        form = Form(**values)
        form.successor.choices = choices_of([("", _("none")), *other_campaigns(campaign)])
        return form

    def closing(self, language: str) -> TextAreaField:
        return self[f"closing_{language}"]


class ReopenForm(BaseForm):
    closes_on = StringField(_("New last day"), filters=[line], validators=[a_date], render_kw={"type": "date"})

    def __init__(self, campaign: Campaign, **values: Any) -> None:
        self.zone = ZoneInfo(campaign.timezone)
        super().__init__(**values)

    def validate_closes_on(self, field: StringField) -> None:
        if field.data and not field.errors and read.date(field.data) < db.now().astimezone(self.zone).date():
            raise ValidationError(_("This day is over already."))

    @property
    def day(self) -> dt.date | None:
        return read.date(self.closes_on.data) if self.closes_on.data else None


class PauseForm(BaseForm):
    """When signing is expected to go on, which the page says."""

    hours = SelectField(
        _("When do you expect to switch it on again?"),
        choices=choices_of(
            [
                ("", _("not known yet")),
                ("1", _("in an hour")),
                ("6", _("in six hours")),
                ("24", _("tomorrow at this time")),
                ("72", _("in three days")),
            ]
        ),
    )

    @property
    def back_at(self) -> dt.datetime | None:
        hours = whole_number(self.hours.data)
        return db.now() + dt.timedelta(hours=hours) if hours else None
