"""Rendering the mail of an alert: which campaign, what, how many, and where to look. No supporter's data."""

from __future__ import annotations

from flask import render_template
from flask_babel import force_locale

from actionkit import db, languages
from actionkit.campaigns.models import Campaign
from actionkit.delivery.renderers import Item, Mail, NotToBeSent
from actionkit.review import alerts
from actionkit.review.models import StaffAlert
from actionkit.security import absolute_url, path_of
from actionkit.staff.models import StaffMember

LANGUAGE = languages.INTERFACE[0]
"""Accounts have no language; this is the one of the desk."""


def _where_to_look(alert: StaffAlert) -> str:
    return "desk.letters" if alert.kind == alerts.AlertKind.REJECTED else "review.review"


def staff_alert(item: Item) -> Mail:
    """The mail to one member, who is asked once more whether she may act on the campaign."""
    alert = db.session.get(StaffAlert, item.subject_id)
    member = db.session.get(StaffMember, int(item.recipient_key.removeprefix("staff:")))
    if alert is None or member is None or member.id not in alerts.who_is_told(alert.campaign_id):
        raise NotToBeSent("no longer staff of this campaign")
    campaign = db.session.get_one(Campaign, alert.campaign_id)
    with force_locale(languages.interface_locale(LANGUAGE)):
        subject, _break, text = (
            render_template(
                "mail/staff_alert.txt",
                alert=alert,
                title=campaign.text_in(LANGUAGE).title,
                link=absolute_url(path_of(_where_to_look(alert), slug=campaign.slug)),
            )
            .strip()
            .partition("\n")
        )
    return Mail(
        to=(member.name, member.email),
        subject=" ".join(subject.split()),
        text=text.strip() + "\n",
        language=LANGUAGE,
        headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
    )
