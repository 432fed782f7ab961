"""actionkit: petitions and letters to officials, self-hosted.

`create_app` is the only place that knows every feature.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from flask_mail import Mail

from actionkit import (
    assets,
    celery_app,
    cli,
    countries,
    db,
    errors,
    freshness,
    languages,
    logs,
    page_cache,
    remember,
    security,
    text,
    turnstile,
)
from actionkit.campaigns.models import LetterMode, Phase
from actionkit.campaigns.views import blueprint as campaigns_blueprint
from actionkit.delivery import dev_views, relay, return_path, sending_pause
from actionkit.delivery.views import blueprint as health_blueprint
from actionkit.editing.campaign_views import blueprint as editing_blueprint
from actionkit.editing.course_views import blueprint as course_blueprint
from actionkit.editing.page_views import blueprint as program_pages_blueprint
from actionkit.editing.page_views import campaign_blueprint as campaign_news_blueprint
from actionkit.editing.program_views import blueprint as programs_blueprint
from actionkit.editing.version_views import blueprint as versions_blueprint
from actionkit.exports.file_views import blueprint as files_blueprint
from actionkit.exports.print_views import blueprint as printing_blueprint
from actionkit.exports.views import blueprint as exports_blueprint
from actionkit.figures import attention, opened_views
from actionkit.figures.staff_views import blueprint as figures_blueprint
from actionkit.imports.staff_views import blueprint as imports_blueprint
from actionkit.letters import compose
from actionkit.letters.staff_views import blueprint as pace_blueprint
from actionkit.officials.import_views import blueprint as official_imports_blueprint
from actionkit.officials.staff_views import blueprint as officials_blueprint
from actionkit.people.audit_views import blueprint as audit_blueprint
from actionkit.people.views import blueprint as people_blueprint
from actionkit.replies import answers
from actionkit.replies import desk as incoming_desk
from actionkit.replies.staff_views import blueprint as incoming_blueprint
from actionkit.review import twins
from actionkit.review.removal_views import blueprint as removals_blueprint
from actionkit.review.staff_views import blueprint as review_blueprint
from actionkit.screening import networks, proof
from actionkit.screening.staff_views import blueprint as lists_blueprint
from actionkit.screening.views import blueprint as screening_blueprint
from actionkit.signing import consent, taking_out
from actionkit.signing.history_views import blueprint as history_blueprint
from actionkit.signing.letter_views import blueprint as letters_blueprint
from actionkit.signing.own_letters_views import blueprint as own_letters_blueprint
from actionkit.signing.renewal_views import blueprint as renewal_blueprint
from actionkit.signing.staff_views import blueprint as desk_blueprint
from actionkit.signing.unsubscribe_views import blueprint as unsubscribe_blueprint
from actionkit.signing.views import blueprint as signing_blueprint
from actionkit.staff import accounts
from actionkit.upkeep.erase_views import blueprint as erase_blueprint
from actionkit.upkeep.sending_views import blueprint as sending_blueprint
from config import Config

ROOT = Path(__file__).resolve().parent.parent


class Application(Flask):
    """Flask, without asking of each hook of each request whether it is a coroutine: none of ours is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(config: Config) -> Flask:
    """The application for these settings, safe or not: `wsgi.py` and the worker refuse unsafe ones."""
    app = Application("actionkit", template_folder=str(ROOT / "templates"), static_folder=None)
    app.config.update(config.to_flask())
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        country_name=lambda code: countries.name(code, languages.current()),
        absolute_url=security.absolute_url,
        letter_html=compose.as_html,
        proof_seconds=int(proof.VALID_FOR.total_seconds()),
        likely_twins=twins.among,
        can_be_put_back=taking_out.can_be_put_back,
        sending_pause=sending_pause.current,
        relay_trouble=relay.stops_sending,
        waiting_by_campaign=attention.by_campaign,
        addresses_that_refuse=attention.addresses_that_refuse,
        incoming_waiting=incoming_desk.waiting,
        answers_by_official=answers.by_official,
        takes_replies=return_path.takes_replies,
        LetterMode=LetterMode,
        Phase=Phase,
    )
    app.jinja_env.filters["markdown"] = text.to_html

    logs.init_app(app)
    db.init_app(app)
    Mail(app)
    security.init_app(app)
    freshness.init_app(app)
    remember.init_app(app)
    languages.init_app(app)
    assets.init_app(app)
    errors.init_app(app)
    accounts.init_app(app)
    dev_views.init_app(app)
    networks.init_app(app)
    consent.init_app(app)
    for blueprint in (
        health_blueprint,
        campaigns_blueprint,
        signing_blueprint,
        renewal_blueprint,
        own_letters_blueprint,
        unsubscribe_blueprint,
        history_blueprint,
        screening_blueprint,
        lists_blueprint,
        exports_blueprint,
        files_blueprint,
        imports_blueprint,
        printing_blueprint,
        desk_blueprint,
        letters_blueprint,
        pace_blueprint,
        incoming_blueprint,
        officials_blueprint,
        official_imports_blueprint,
        review_blueprint,
        removals_blueprint,
        figures_blueprint,
        opened_views.blueprint,
        sending_blueprint,
        erase_blueprint,
        audit_blueprint,
        editing_blueprint,
        course_blueprint,
        versions_blueprint,
        programs_blueprint,
        program_pages_blueprint,
        campaign_news_blueprint,
        people_blueprint,
    ):
        app.register_blueprint(blueprint)
    turnstile.init_app(app)
    page_cache.init_app(app)
    opened_views.init_app(app)
    cli.init_app(app)
    app.extensions["celery"] = celery_app.make_celery(app)
    return app
