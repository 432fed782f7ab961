"""Rendering the mails to staff about their accounts. No supporter's data is in them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlsplit

from flask import render_template
from flask_babel import force_locale

from actionkit import db, languages
from actionkit.delivery.renderers import Item, Mail, NotToBeSent
from actionkit.security import absolute_url
from actionkit.staff import operations
from actionkit.staff.models import LinkPurpose, SignInLink, StaffMember

HEADERS = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}


def invitation(item: Item) -> Mail:
    """The link with which somebody chooses a password and comes in for the first time."""
    link, member = _link_and_member(item)
    days = operations.LINK_VALID[LinkPurpose.INVITATION].days
    return _mail("mail/staff_invitation.txt", member, link.language, link=_address(link), days=days)


def reset(item: Item) -> Mail:
    """The link with which a member sets a new password."""
    link, member = _link_and_member(item)
    return _mail("mail/staff_reset.txt", member, link.language, link=_address(link))


def factor_reset(item: Item) -> Mail:
    """That an administrator took a member's second factor away, and when."""
    member = db.session.get(StaffMember, _member_id(item))
    if member is None or not member.active:
        raise NotToBeSent("the account is closed")
    at = dt.datetime.fromtimestamp(item.subject_id, dt.UTC)
    return _mail("mail/staff_factor_reset.txt", member, languages.INTERFACE[0], at=at)


def _member_id(item: Item) -> int:
    return int(item.recipient_key.removeprefix("staff:"))


def _link_and_member(item: Item) -> tuple[SignInLink, StaffMember]:
    link = db.session.get(SignInLink, item.subject_id)
    member = db.session.get(StaffMember, _member_id(item))
    if link is None or member is None or not member.active:
        raise NotToBeSent("the account is closed")
    if link.used_at is not None or link.revoked_at is not None:
        raise NotToBeSent("the link was used or taken back")
    if db.now() - link.created_at > operations.LINK_VALID[LinkPurpose(link.purpose)]:
        raise NotToBeSent("the link has run out")
    return link, member


def _address(link: SignInLink) -> str:
    return absolute_url(operations.path_of_link(link))


def _mail(template: str, member: StaffMember, language: str, **values: Any) -> Mail:
    with force_locale(languages.interface_locale(language)):
        site = urlsplit(absolute_url("/")).netloc
        rendered = render_template(template, member=member, site=site, **values)
    subject, _break, text = rendered.strip().partition("\n")
    return Mail(
        to=(member.name, member.email),
        subject=" ".join(subject.split()),
        text=text.strip() + "\n",
        language=language,
        headers=HEADERS,
    )
