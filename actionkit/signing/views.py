"""The pages of a supporter: campaign, sign, preview, thanks, confirm, withdraw, count."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, request
from sqlalchemy.orm import selectinload

from actionkit import countries, db, languages, pages
from actionkit.campaigns.models import Campaign, LetterMode
from actionkit.campaigns.operations import find_public_campaign
from actionkit.letters import progress
from actionkit.letters.compose import Sender, compose_all, write_all
from actionkit.letters.models import LetterVersion
from actionkit.redirects import see_other
from actionkit.screening import proof
from actionkit.screening.judge import judge
from actionkit.security import keep_private, read_form, read_token
from actionkit.signing import consent, counting, mails, operations, used_forms
from actionkit.signing.campaign_page import consent_texts, draw, letter_version, links_stay_in
from actionkit.signing.forms import SignForm
from actionkit.signing.models import Purpose, Signature, SignatureState, Submission
from actionkit.signing.operations import Confirmed, Signed, Signing

blueprint = Blueprint("signing", __name__)

USUAL_WAIT, LONGEST_WAIT = 3_600, 86_400
"""Seconds after which a program may ask again where signing is paused: nobody knows when, and at most."""


def _campaign(slug: str) -> Campaign:
    """A campaign that the public may see, in the language of the request. Raises `NotFound`."""
    campaign = find_public_campaign(slug)
    languages.choose(campaign.languages)
    return campaign


# ---------------------------------------------------------------- campaign


@blueprint.get("/campaigns/<slug>")
@pages.cached
def show(slug: str) -> Response:
    return pages.public(draw(_campaign(slug)))


@blueprint.get("/campaigns/<slug>/count.json")
@pages.briefly
def count(slug: str) -> Response:
    campaign = find_public_campaign(slug)
    counted = counting.current(campaign.id)
    return pages.live(
        jsonify(
            campaign=campaign.slug,
            signatures=counted.total,
            goal=campaign.goal,
            state=campaign.phase(),
            as_of=counted.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
    )


# ---------------------------------------------------------------- sign


@blueprint.post("/campaigns/<slug>/sign")
def sign(slug: str) -> Response:
    read_form()
    campaign = _campaign(slug)
    texts = consent_texts(campaign)
    used = used_forms.filled(campaign, texts, request.form)
    form = used.form
    thanks = see_other("signing.thanks", slug=campaign.slug, **links_stay_in(campaign))
    thanks.headers["Cache-Control"] = "no-store"
    operations.refuse_unless_open(campaign)
    if form.is_from_a_robot:
        return thanks
    if campaign.is_signing_paused:
        return _come_back(campaign, form)
    if not form.is_valid():
        return _refused(campaign, form)
    # What is read on a connection of its own comes first: while this one writes, it takes no second.
    version, address = letter_version(campaign, form.version_id), form.email.canonical
    verdict = judge(campaign, address, request.form.get(proof.FIELD, ""))
    operations.sign(campaign, _signing(campaign, form, texts, version, verdict.network), address, verdict.held_because)
    db.session.commit()
    used.put_back()
    return thanks


def _signing(
    campaign: Campaign, form: SignForm, texts: dict[Purpose, str], version: LetterVersion | None, network: str
) -> Signing:
    return Signing(
        name=form.name.data or "",
        email=form.email.data or "",
        country=form.country.data or "",
        postcode=form.postcode.data or "",
        comment=form.comment.data or "",
        letter=form.own_letter,
        show_name=bool(form.show_name.data),
        updates=bool(form.updates.data),
        language=languages.current(),
        letter_version_id=version.id if version else None,
        consent_wording_id=consent.wording_id(
            Purpose.SIGN, texts[Purpose.SIGN], names_to_officials=campaign.letters != LetterMode.NONE
        ),
        network=network,
        seconds_on_form=form.seconds_on_form,
        updates_wording_id=(consent.wording_id(Purpose.UPDATES, texts[Purpose.UPDATES]) if form.updates.data else None),
    )


def _refused(campaign: Campaign, form: SignForm) -> Response:
    """The page again, with what was typed and what is wrong; nothing is stored."""
    db.reading()
    return keep_private(make_response(draw(campaign, form), 422))


def _come_back(campaign: Campaign, form: SignForm) -> Response:
    """Signing is paused: the page with what was typed, to be sent again later (503); nothing is stored."""
    db.reading()
    page = keep_private(make_response(draw(campaign, form), 503))
    wait = (campaign.signing_back_at - db.now()).total_seconds() if campaign.signing_back_at else 0
    page.headers["Retry-After"] = str(min(int(wait), LONGEST_WAIT) if wait > 0 else USUAL_WAIT)
    return page


@blueprint.post("/campaigns/<slug>/preview")
def preview(slug: str) -> Response:
    """The exact letters, with her data; stores nothing."""
    read_form()
    db.reading()
    campaign = _campaign(slug)
    operations.refuse_unless_open(campaign)
    form = SignForm.for_campaign(campaign, consent_texts(campaign))
    if form.is_from_a_robot or not form.is_valid(with_consent=False):
        return _refused(campaign, form)
    sender = Sender(
        name=form.name.data or "",
        country=form.country.data or "",
        comment=form.comment.data or "",
        letter=form.own_letter,
        email=form.email.data or "",
    )
    page = render_template(
        "signing/preview.html",
        campaign=campaign,
        text=campaign.text_in(languages.current()),
        form=form,
        letters=compose_all(campaign, letter_version(campaign, form.version_id), sender),
        lang=links_stay_in(campaign),
    )
    return keep_private(make_response(page))


@blueprint.get("/campaigns/<slug>/thanks")
@pages.cached
def thanks(slug: str) -> Response:
    campaign = _campaign(slug)
    return pages.public(
        render_template(
            "signing/thanks.html",
            campaign=campaign,
            text=campaign.text_in(languages.current()),
            lang=links_stay_in(campaign),
            has_mail_folder=current_app.config["ACTIONKIT"].mail_folder is not None,
            is_production=current_app.config["ACTIONKIT"].is_production,
        )
    )


# ---------------------------------------------------------------- confirm


def of_confirm_token(token: str) -> Signed:
    """What a confirmation link is about. Raises `NotFound` if forged, `TooLate` if it has run out."""
    genuine = read_token(mails.TO_CONFIRM, token)
    signed = operations.find_submission(Submission.public_id == genuine.public_id)
    if signed is None:
        raise operations.TooLate(operations.erased_text())
    _speak(signed)
    operations.refuse_if_too_late(signed, genuine.issued_at)
    if signed.signature.state == SignatureState.CONFIRMED and signed.signature.submission_id != signed.submission.id:
        # Another of her submissions was confirmed: that one counts, and is shown.
        counting_one = operations.find_submission(Submission.id == signed.signature.submission_id)
        assert counting_one is not None
        return counting_one
    return signed


def _speak(signed: Signed) -> None:
    """A link from a mail speaks the mail's language, unless another is asked for."""
    available = signed.campaign.languages
    preferred = signed.submission.language
    languages.choose((preferred, *(tag for tag in available if tag != preferred)))


def _confirm_page(signed: Signed, *, done: Confirmed | None = None) -> Response:
    version = letter_version(signed.campaign, signed.submission.letter_version_id)
    written = write_all(signed.campaign, version, signed.sender)
    return keep_private(
        make_response(
            render_template(
                "signing/confirm.html",
                campaign=signed.campaign,
                text=signed.campaign.text_in(languages.current()),
                submission=signed.submission,
                country=countries.name(signed.submission.country, languages.current()),
                letters=written.letters,
                unwritten=written.unwritten,
                own_letters=progress.of_signature(signed.signature.id),
                is_confirmed=done is not None or signed.signature.state == SignatureState.CONFIRMED,
                done=done,
                withdraw_link=mails.withdraw_path(signed.signature),
                lang=links_stay_in(signed.campaign),
            )
        )
    )


@blueprint.get("/confirm/<token>")
def confirm_page(token: str) -> Response:
    return _confirm_page(of_confirm_token(token))


@blueprint.post("/confirm/<token>")
def confirm(token: str) -> Response:
    read_form()
    signed = of_confirm_token(token)
    if request.form.get("decision") == "refuse":
        operations.refuse(signed)
        db.session.commit()
        db.reading()  # drawing a page must not hold up who signs
        return keep_private(
            make_response(
                render_template(
                    "signing/refused.html",
                    campaign=signed.campaign,
                    text=signed.campaign.text_in(languages.current()),
                    lang=links_stay_in(signed.campaign),
                )
            )
        )
    done = operations.confirm(signed)
    db.session.commit()
    db.reading()  # drawing a page must not hold up who signs
    return _confirm_page(signed, done=done)


# ---------------------------------------------------------------- withdraw


def _of_withdraw_token(token: str) -> tuple[Signature, Campaign]:
    genuine = read_token(mails.TO_WITHDRAW, token)
    row = db.session.execute(
        sa.select(Signature, Campaign)
        .join(Campaign, Campaign.id == Signature.campaign_id)
        .where(Signature.public_id == genuine.public_id)
        .options(selectinload(Campaign.texts))
    ).first()
    if row is None:
        raise operations.TooLate(operations.erased_text())
    signature, campaign = row
    languages.choose(campaign.languages)
    return signature, campaign


def _withdraw_page(signature: Signature, campaign: Campaign, *, is_withdrawn: bool) -> Response:
    return keep_private(
        make_response(
            render_template(
                "signing/withdraw.html",
                campaign=campaign,
                text=campaign.text_in(languages.current()),
                is_withdrawn=is_withdrawn,
                is_counted=signature.state == SignatureState.CONFIRMED,
                lang=links_stay_in(campaign),
            )
        )
    )


@blueprint.get("/withdraw/<token>")
def withdraw_page(token: str) -> Response:
    signature, campaign = _of_withdraw_token(token)
    return _withdraw_page(signature, campaign, is_withdrawn=signature.state == SignatureState.WITHDRAWN)


@blueprint.post("/withdraw/<token>")
def withdraw(token: str) -> Response:
    read_form()
    signature, campaign = _of_withdraw_token(token)
    is_withdrawn = operations.withdraw(signature) or signature.state == SignatureState.WITHDRAWN
    db.session.commit()
    db.reading()
    return _withdraw_page(signature, campaign, is_withdrawn=is_withdrawn)
