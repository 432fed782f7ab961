"""What staff say about a report that no program understood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import Field, RadioField, StringField, ValidationError
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]

from actionkit.forms import BaseForm, line, required
from actionkit.replies.desk import Candidate

_ID_IN = re.compile(r"(?:^|<|\b)([0-9a-f]{32})(?:@[^>\s]*)?>?$")


def _an_id(_form: Any, field: Field) -> None:
    """Take an id, or the Message-ID that has it."""
    if not field.data:
        return
    found = _ID_IN.search(field.data.lower())
    if found is None:
        raise ValidationError(_("This is no id of a mail. It has 32 characters, 0 to 9 and a to f."))
    field.data = found[1]


class BounceForm(BaseForm):
    """Which mail of ours was not delivered, and whether it is worth another try."""

    mail = StringField(
        _("Id of the mail that was not delivered"),
        filters=[line],
        validators=[required(_("Please enter the id of the mail.")), _an_id],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "maxlength": 320},
    )
    lasts = RadioField(
        _("What its server says"),
        choices=[
            SelectChoice("yes", _("There is no such address, or it refuses us for good")),
            SelectChoice("no", _("Not now: a full mailbox, or trouble at its server")),
        ],
        default="yes",
    )

    @classmethod
    def about(cls, candidates: Sequence[Candidate]) -> BounceForm:
        """The form with the mail filled in, where only one is likely."""
        return cls(formdata=None, mail=candidates[0].public_id if len(candidates) == 1 else "")

    @property
    def is_for_good(self) -> bool:
        return bool(self.lasts.data == "yes")
