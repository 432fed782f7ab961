"""A rehearsal: every official's letter, to a member of staff, before anybody signs. Nothing goes to officials."""

from __future__ import annotations

import datetime as dt

from flask_babel import force_locale, gettext

from actionkit import db, languages
from actionkit.campaigns.models import Campaign, Official
from actionkit.delivery import outbox
from actionkit.delivery.renderers import Item, Mail, NotToBeSent
from actionkit.letters.compose import NoLetter, Sender, compose, compose_all
from actionkit.letters.operations import current_version
from actionkit.staff.models import StaffMember

REHEARSAL = "rehearsal"
"""The kind of these rows in the ledger. Their subject is the official; the key names member, campaign and minute."""

MARK = "[TEST]"
AT_ONCE = 8
"""So many leave each second: in between there is room for confirmations, which somebody waits for."""


def sample_sender(campaign: Campaign, language: str) -> Sender:
    with force_locale(languages.interface_locale(language)):
        comment = gettext("This sentence is an example of what a supporter may add.")
    return Sender(name="Ann Example", country=campaign.country, comment=comment)


def rehearse(campaign: Campaign, member_id: int) -> int:
    """Queue each official's letter to a member; how many. Asked twice within a minute, they come once."""
    moment = db.now()
    letters = compose_all(campaign, current_version(campaign.id), sample_sender(campaign, campaign.language))
    key = f"staff:{member_id}:{campaign.id}:{int(moment.timestamp()) // 60}"
    for number, letter in enumerate(letters):
        later = moment + dt.timedelta(seconds=number // AT_ONCE)
        outbox.put(REHEARSAL, letter.official.id, [key], not_before=later)
    return len(letters)


def mail(item: Item) -> Mail:
    """One official's letter as it would leave now, with a sample supporter, to the member who asked for it."""
    member_id, campaign_id = item.recipient_key.split(":")[1:3]
    member = db.session.get(StaffMember, int(member_id))
    campaign = db.session.get(Campaign, int(campaign_id))
    official = db.session.get(Official, item.subject_id)
    version = current_version(campaign.id) if campaign else None
    if member is None or not member.active or campaign is None or official is None or version is None:
        raise NotToBeSent("the member, the campaign, the official or the letter is gone")
    try:
        written = compose(campaign, version, official, sample_sender(campaign, official.language))
    except NoLetter:
        raise NotToBeSent("the letter is missing in a language of this official") from None
    return Mail(
        to=(member.name, member.email),
        subject=f"{MARK} {written.subject}",
        text=written.body + "\n",
        language=written.language,
        headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
    )
