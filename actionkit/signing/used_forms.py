"""The sign form, made once and filled again: to make its twelve fields costs as much as to check them.

Only a form that was found valid is kept, emptied of what somebody typed. One with errors is drawn
in its page and not used again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from werkzeug.datastructures import MultiDict

from actionkit.campaigns.models import Campaign
from actionkit.signing.forms import SignForm
from actionkit.signing.kinds import Kind, kind_of
from actionkit.signing.models import Purpose

MOST_SHELVES = 500
"""A shelf holds forms that are the same: of one kind, with the same words beside their ticks."""
MOST_ON_A_SHELF = 16

Shelf = tuple[Kind, str, str]

_idle: dict[Shelf, deque[SignForm]] = {}


@dataclass(frozen=True)
class UsedForm:
    """A form in use, and where it is put back."""

    form: SignForm
    shelf: Shelf

    def put_back(self) -> None:
        """Keep it for the next one, without what was typed into it. It was valid."""
        self.form.empty()
        if len(_idle) >= MOST_SHELVES:
            _idle.clear()
        _idle.setdefault(self.shelf, deque(maxlen=MOST_ON_A_SHELF)).append(self.form)


def filled(campaign: Campaign, texts: dict[Purpose, str], sent: MultiDict[str, str]) -> UsedForm:
    """The form of a campaign with what was sent."""
    shelf = (kind_of(campaign), texts[Purpose.SIGN], texts[Purpose.UPDATES])
    try:
        form = _idle[shelf].pop()
    except (KeyError, IndexError):
        form = SignForm.for_campaign(campaign, texts, formdata=None)
    form.process(sent)
    return UsedForm(form, shelf)
