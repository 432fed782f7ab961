"""Rendering the mails of a signature: the confirmation, reminders of it, and the letter to an official."""

from __future__ import annotations

import datetime as dt

from flask import render_template
from flask_babel import force_locale

from actionkit import db, languages
from actionkit.campaigns.models import LetterMode, Official, Phase, ReplyTo
from actionkit.delivery import return_path
from actionkit.delivery.renderers import CannotBeSent, Item, Mail, NotToBeSent
from actionkit.letters.compose import NoLetter, compose
from actionkit.letters.operations import version_seen
from actionkit.letters.out_of_use import OUT_OF_USE
from actionkit.security import absolute_url, make_token, path_of
from actionkit.signing import unsubscribe
from actionkit.signing.models import Signature, SignatureState, Submission
from actionkit.signing.operations import Signed, find_submission, is_superseded, sender_of

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
    official = db.session.get(Official, int(item.recipient_key.removeprefix("official:")))
    signed = _confirmed(item.subject_id)
    if official is None or not official.email:
        raise CannotBeSent("the official has no address")
    if official.retired_at:
        raise NotToBeSent(OUT_OF_USE)
    submission, campaign = signed.submission, signed.campaign
    if campaign.letters == LetterMode.DIGEST or official.wants_digest:
        raise NotToBeSent("the official gets reports")
    version = version_seen(campaign.id, submission.letter_version_id)
    if version is None:
        raise CannotBeSent("the campaign has no letter")
    try:
        written = compose(campaign, version, official, sender_of(submission))
    except NoLetter:
        raise CannotBeSent("the letter is missing in a language of this official") from None
    return Mail(
        to=(official.name, official.email),
        subject=written.subject,
        text=written.body + "\n",
        language=written.language,
        reply_to=_answer_to(item, signed),
    )


def _answer_to(item: Item, signed: Signed) -> tuple[str, str] | None:
    """Her own address, or where the campaign hides it, one of ours that passes the answer on, if there is any."""
    submission = signed.submission
    if signed.campaign.reply_to == ReplyTo.SUPPORTER:
        return submission.name, submission.email
    ours = return_path.reply_address(item.public_id)
    return (submission.name, ours) if ours else None


def _confirmed(signature_id: int) -> Signed:
    signed = find_submission(Signature.id == signature_id, Submission.id == Signature.submission_id)
    if signed is None:
        raise NotToBeSent("the signature is gone")
    if signed.signature.state == SignatureState.HELD:
        raise CannotBeSent("the signature is held for review")
    if signed.signature.state != SignatureState.CONFIRMED:
        raise NotToBeSent(f"the signature is {signed.signature.state}")
    if not signed.submission.email:
        raise NotToBeSent("the supporter was erased")
    return signed


def _rendered(template: str, language: str, **values: object) -> tuple[str, str]:
    """(subject, text) of a mail template: its first line, and what follows the blank one."""
    with force_locale(languages.interface_locale(language)):
        subject, _break, text = render_template(template, **values).strip().partition("\n")
    return " ".join(subject.split()), text.strip() + "\n"
