"""A confirmation link that has run out: the page that says so, and its button for a new one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from actionkit import db, languages
from actionkit.campaigns.models import Campaign
from actionkit.security import keep_private, read_form, read_token
from actionkit.signing import lifecycle, mails, operations
from actionkit.signing.campaign_page import links_stay_in
from actionkit.signing.models import SignatureState, Submission
from actionkit.signing.operations import LinkRanOut

blueprint = Blueprint("renewal", __name__)


@blueprint.app_errorhandler(LinkRanOut)
def ran_out(error: LinkRanOut) -> Response:
    """The answer of every view that was asked with such a link; its language has been chosen."""
    campaign_id = error.signed.campaign.id
    db.reading()
    campaign = db.session.get_one(Campaign, campaign_id)
    page = render_template(
        "signing/ran_out.html",
        campaign=campaign,
        text=campaign.text_in(languages.current()),
        token=(request.view_args or {})["token"],
        lang=links_stay_in(campaign),
    )
    return keep_private(make_response(page, error.code))


@blueprint.post("/confirm/<token>/new-link")
def new_link(token: str) -> Redirect:
    """The answer is the same whether a mail leaves or a limit keeps it back."""
    read_form()
    genuine = read_token(mails.TO_CONFIRM, token)
    signed = operations.find_submission(Submission.public_id == genuine.public_id)
    if signed is None:
        raise operations.TooLate(operations.erased_text())
    language = signed.submission.language
    languages.choose((language, *(tag for tag in signed.campaign.languages if tag != language)))
    if signed.signature.state == SignatureState.CONFIRMED:
        return redirect(url_for("signing.confirm_page", token=token), 303)
    lifecycle.send_new_link(signed)
    links: dict[str, Any] = links_stay_in(signed.campaign)
    answer = redirect(url_for("signing.thanks", slug=signed.campaign.slug, **links), 303)
    db.session.commit()
    answer.headers["Cache-Control"] = "no-store"
    return answer
