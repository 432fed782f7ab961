"""The letters of confirmed signatures, for paper: written like those that leave by mail."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from actionkit.campaigns.models import Campaign, Official
from actionkit.letters.compose import TEMPLATE_FAULTS, NoLetter, compose
from actionkit.letters.models import LetterVersion
from actionkit.letters.printing import Sheet, sheet_of
from actionkit.signing.campaign_page import letter_version
from actionkit.signing.models import Signature, Submission
from actionkit.signing.operations import Signed, sender_of


def sheet(
    campaign: Campaign, version: LetterVersion, official: Official, signature: Signature, submission: Submission
) -> Sheet:
    """One letter, dated on the day on which she confirmed it, by the campaign's clock. Raises `NoLetter`."""
    sender = sender_of(submission)
    letter = compose(campaign, version, official, sender)
    assert signature.confirmed_at is not None
    written_on = signature.confirmed_at.astimezone(ZoneInfo(campaign.timezone)).date()
    return sheet_of(letter, sender, written_on, signature.public_id)


def own_sheets(signed: Signed, most: int) -> list[Sheet]:
    """A confirmed signature's letters, to the first officials of its campaign that it has a letter for."""
    version = letter_version(signed.campaign, signed.submission.letter_version_id)
    if version is None:
        return []
    sheets = []
    for official in signed.campaign.letter_officials[:most]:
        try:
            sheets.append(sheet(signed.campaign, version, official, signed.signature, signed.submission))
        except (NoLetter, *TEMPLATE_FAULTS):
            continue
    return sheets
