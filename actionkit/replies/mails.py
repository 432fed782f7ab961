"""Rendering the mail that brings an official's answer to the supporter."""

from __future__ import annotations

from flask import render_template
from flask_babel import force_locale

from actionkit import db, languages
from actionkit.campaigns.models import Official
from actionkit.delivery.renderers import Item, Mail, NotToBeSent
from actionkit.replies import contents
from actionkit.replies.models import IncomingMail, LetterAnswer
from actionkit.signing import unsubscribe
from actionkit.signing.models import Signature, SignatureState, Submission
from actionkit.signing.operations import find_submission

HEADERS = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
"""No machine may answer a mail that a machine passes on (RFC 3834)."""


def answer(item: Item) -> Mail:
    """From us, the words as they came, and an answer to it goes to who wrote them."""
    found = db.session.get(LetterAnswer, item.subject_id)
    if found is None:
        raise NotToBeSent("the answer is gone")
    signed = find_submission(Signature.id == found.signature_id, Submission.id == Signature.submission_id)
    if signed is None or not signed.submission.email:
        raise NotToBeSent("the signature is gone")
    if signed.signature.state not in (SignatureState.CONFIRMED, SignatureState.WITHDRAWN):
        raise NotToBeSent(f"the signature is {signed.signature.state}")
    if unsubscribe.is_dead(signed.signature.canonical_email):
        raise NotToBeSent("mail to this address came back")
    mail = db.session.get(IncomingMail, found.incoming_id) if found.incoming_id else None
    if mail is None or mail.raw is None:
        raise NotToBeSent("the answer is no longer kept")
    came = contents.read(mail.raw, is_cut=mail.is_cut)
    official = db.session.get_one(Official, found.official_id)
    language = languages.interface_locale(signed.submission.language)
    with force_locale(language):
        subject, _break, text = (
            render_template(
                "mail/answer.txt",
                came=came,
                official=official.name,
                title=signed.campaign.text_in(signed.submission.language).title,
            )
            .strip()
            .partition("\n")
        )
    return Mail(
        to=("", signed.submission.email),
        subject=contents.clean_line(subject),
        text=text.strip() + "\n",
        language=language,
        reply_to=(came.sender_name, came.sender_address) if came.sender_address else None,
        headers=HEADERS,
        attachments=came.files,
    )
