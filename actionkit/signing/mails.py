"""Rendering the mails of a signature: the confirmation, reminders of it, and the letter to an official."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import render_template
from flask_babel import force_locale

from actionkit import languages
from actionkit.campaigns.models import Campaign, LetterMode, Official, Phase, ReplyTo
from actionkit.campaigns.operations import find_lasting_campaign
from actionkit.delivery import return_path
from actionkit.delivery.renderers import CannotBeSent, Item, Mail, NotToBeSent
from actionkit.letters.compose import NoLetter, Sender, compose
from actionkit.letters.operations import version_seen
from actionkit.letters.out_of_use import OUT_OF_USE
from actionkit.prepared import Prepared
from actionkit.security import absolute_url, make_token, path_of
from actionkit.signing import unsubscribe
from actionkit.signing.models import Signature, SignatureState, Submission
from actionkit.signing.operations import find_submission, is_superseded

TO_CONFIRM = "confirm"
TO_WITHDRAW = "withdraw"
"""Purposes of the tokens in links."""


def confirm_path(submission: Submission, issued_at: dt.datetime) -> str:
    token = make_token(TO_CONFIRM, submission.public_id, issued_at)
    return path_of("signing.confirm_page", token=token)


def withdraw_path(signature: Signature) -> str:
    token = make_token(TO_WITHDRAW, signature.public_id, signature.signed_at)
    return path_of("signing.withdraw_page", token=token)


_NOT_TO_BE_CONFIRMED = (SignatureState.INVALIDATED, SignatureState.HELD, SignatureState.EXPIRED)
_AUTOMATIC = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}


def confirmation(item: Item) -> Mail:
    """The mail with the one link. For a signature that is confirmed already it says so."""
    signed = find_submission(Submission.id == item.subject_id)
    if signed is None or not signed.submission.email:
        raise NotToBeSent("the signature is gone")
    signature, submission, campaign = signed.signature, signed.submission, signed.campaign
    is_confirmed = signature.state == SignatureState.CONFIRMED
    if signature.state in _NOT_TO_BE_CONFIRMED or is_superseded(signed):
        raise NotToBeSent(f"the signature is {signature.state}")
    if not is_confirmed and not campaign.can_confirm():
        raise NotToBeSent("the campaign has ended")
    subject, text = _rendered(
        "mail/confirmation.txt",
        submission.language,
        campaign=campaign,
        text=campaign.text_in(submission.language),
        is_confirmed=is_confirmed,
        writes_letters=bool(campaign.letter_officials),
        link=absolute_url(confirm_path(submission, item.first_tried_at)),
    )
    return Mail(
        to=("", submission.email),
        subject=subject,
        text=text,
        language=languages.interface_locale(submission.language),
        headers=_AUTOMATIC,
    )


def reminder(item: Item) -> Mail:
    """The link once more, to who has not confirmed yet; with a way to have no more of these."""
    signed = find_submission(Submission.id == item.subject_id)
    if signed is None or not signed.submission.email:
        raise NotToBeSent("the signature is gone")
    signature, submission, campaign = signed.signature, signed.submission, signed.campaign
    if signature.state != SignatureState.PENDING:
        raise NotToBeSent(f"the signature is {signature.state}")
    if campaign.phase() is not Phase.OPEN:
        raise NotToBeSent("the campaign has ended")
    if unsubscribe.is_stopped(signature.canonical_email):
        raise NotToBeSent("the owner of the address wants no reminders")
    subject, text = _rendered(
        "mail/reminder.txt",
        submission.language,
        campaign=campaign,
        text=campaign.text_in(submission.language),
        link=absolute_url(confirm_path(submission, item.first_tried_at)),
        unsubscribe_link=unsubscribe.link(submission),
    )
    return Mail(
        to=("", submission.email),
        subject=subject,
        text=text,
        language=languages.interface_locale(submission.language),
        headers=_AUTOMATIC | unsubscribe.headers(submission),
    )


def letter(item: Item) -> Mail:
    """The letter to one official, from the version she saw and the words she sent."""
    row = _letter_of.row(signature=item.subject_id, official=int(item.recipient_key.removeprefix("official:")))
    found = _Found(*row) if row else None
    if found is None or found.state != SignatureState.CONFIRMED or not found.email:
        raise _why_not(found)
    if not found.official_email:
        raise CannotBeSent("the official has no address")
    if found.retired_at:
        raise NotToBeSent(OUT_OF_USE)
    campaign = find_lasting_campaign(found.campaign_id)
    if campaign.letters == LetterMode.DIGEST or found.wants_digest:
        raise NotToBeSent("the official gets reports")
    version = version_seen(campaign.id, found.letter_version_id)
    if version is None:
        raise CannotBeSent("the campaign has no letter")
    official = Official(
        name=found.official_name, salutation=found.salutation, office=found.office, language=found.language
    )
    sender = Sender(found.name, found.country, found.comment, found.letter, found.email)
    try:
        written = compose(campaign, version, official, sender)
    except NoLetter:
        raise CannotBeSent("the letter is missing in a language of this official") from None
    return Mail(
        to=(found.official_name, found.official_email),
        subject=written.subject,
        text=written.body + "\n",
        language=written.language,
        reply_to=_answer_to(item, campaign, sender),
    )


class _Found(NamedTuple):
    """What a letter needs of the database that is not the same for many letters."""

    state: str
    campaign_id: int
    name: str
    country: str
    comment: str
    letter: str
    email: str
    letter_version_id: int | None
    official_name: str
    official_email: str | None
    salutation: str
    office: str
    language: str
    wants_digest: bool
    retired_at: dt.datetime | None


def _find_letter(_insert: Any) -> Any:
    official = (Official.name, Official.email, Official.salutation, Official.office, Official.language)
    return (
        sa.select(
            Signature.state,
            Signature.campaign_id,
            Submission.name,
            Submission.country,
            Submission.comment,
            Submission.letter,
            Submission.email,
            Submission.letter_version_id,
            *official,
            Official.wants_digest,
            Official.retired_at,
        )
        .select_from(Signature)
        .join(Submission, Submission.id == Signature.submission_id)
        .outerjoin(Official, Official.id == sa.bindparam("official", type_=sa.Integer))
        .where(Signature.id == sa.bindparam("signature", type_=sa.Integer))
    )


_letter_of = Prepared(_find_letter)


def _why_not(found: _Found | None) -> NotToBeSent | CannotBeSent:
    if found is None:
        return NotToBeSent("the signature is gone")
    if found.state == SignatureState.HELD:
        return CannotBeSent("the signature is held for review")
    if found.state != SignatureState.CONFIRMED:
        return NotToBeSent(f"the signature is {found.state}")
    return NotToBeSent("the supporter was erased")


def _answer_to(item: Item, campaign: Campaign, sender: Sender) -> tuple[str, str] | None:
    """Her own address, or where the campaign hides it, one of ours that passes the answer on, if there is any."""
    if campaign.reply_to == ReplyTo.SUPPORTER:
        return sender.name, sender.email
    ours = return_path.reply_address(item.public_id)
    return (sender.name, ours) if ours else None


def _rendered(template: str, language: str, **values: object) -> tuple[str, str]:
    """(subject, text) of a mail template: its first line, and what follows the blank one."""
    with force_locale(languages.interface_locale(language)):
        subject, _break, text = render_template(template, **values).strip().partition("\n")
    return " ".join(subject.split()), text.strip() + "\n"
