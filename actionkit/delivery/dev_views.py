"""`/dev/mail/`: the mails of an installation without a relay, for looking at. Development only."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, make_response, render_template
from markupsafe import Markup, escape
from werkzeug.exceptions import NotFound

from actionkit.security import keep_private

blueprint = Blueprint("dev_mail", __name__, url_prefix="/dev/mail")

MOST_SHOWN = 200


@dataclass(frozen=True)
class Shown:
    """A mail as the page lists it."""

    name: str
    to: str
    subject: str
    at: str


def _folder() -> Path:
    folder: Path | None = current_app.config["ACTIONKIT"].mail_folder
    if folder is None:
        raise NotFound
    return folder


def _read(file: Path) -> EmailMessage:
    return email.message_from_bytes(file.read_bytes(), policy=email.policy.default)


@blueprint.get("/")
def index() -> Response:
    files = sorted(_folder().glob("*.eml"), key=lambda f: f.stat().st_mtime_ns, reverse=True)
    mails = []
    for file in files[:MOST_SHOWN]:
        message = _read(file)
        mails.append(Shown(file.stem, str(message["To"]), str(message["Subject"]), str(message["Date"])))
    return keep_private(make_response(render_template("dev/mails.html", mails=mails, total=len(files))))


@blueprint.get("/<name>")
def show(name: str) -> Response:
    file = _folder() / f"{name}.eml"
    if not name.isalnum() or not file.is_file():
        raise NotFound
    message = _read(file)
    part = message.get_body(preferencelist=("plain",))
    text = part.get_content() if part else ""
    return keep_private(
        make_response(
            render_template(
                "dev/mail.html",
                subject=str(message["Subject"]),
                headers=[(key, str(value)) for key, value in message.items()],
                text_language=str(message["Content-Language"] or "en"),
                text=_with_links(str(text)),
            )
        )
    )


def _with_links(text: str) -> Markup:
    """The text with our own links made clickable: what a mail program would show."""
    base = current_app.config["ACTIONKIT"].base_url
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        safe = escape(line)
        lines.append(Markup('<a href="{0}">{0}</a>').format(line) if line.startswith(f"{base}/") else safe)
    return Markup("\n").join(lines)


def init_app(app: Flask) -> None:
    if not app.config["ACTIONKIT"].is_production:
        app.register_blueprint(blueprint)
