"""How the forms of campaigns differ."""

from __future__ import annotations

from typing import NamedTuple

from actionkit import remember
from actionkit.campaigns.models import Campaign, LetterMode


class Kind(NamedTuple):
    writes_letters: bool
    """A letter of each supporter leaves; not where all of its officials get reports."""
    sends_reports: bool
    """Some official gets reports, which may name her."""
    takes_own_letter: bool


def kind_of(campaign: Campaign) -> Kind:
    """A campaign's kind, remembered for a moment: a form asks for it several times."""
    return remember.shortly(("kind", campaign.id), lambda: _kind_of(campaign))


def _kind_of(campaign: Campaign) -> Kind:
    has_letters, has_reports = bool(campaign.letter_officials), bool(campaign.digest_officials)
    return Kind(
        writes_letters=campaign.letters == LetterMode.EACH and (has_letters or not has_reports),
        sends_reports=has_reports,
        takes_own_letter=campaign.is_letter_editable and has_letters,
    )
