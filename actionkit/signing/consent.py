"""The words people agree to, kept as rows that never change.

A submission names the row, so that years later it can be shown what exactly was agreed to, in
which language, even when the words have been changed since.
"""

from __future__ import annotations

import hashlib
from functools import cache

import sqlalchemy as sa
from flask import Flask, current_app
from flask_babel import gettext

from actionkit import db, languages
from actionkit.signing.models import ConsentWording, Purpose


def current_text(purpose: Purpose, *, writes_letters: bool, sends_reports: bool) -> str:
    """The words beside a tick, as the page at hand shows them."""
    return _text(purpose, writes_letters, sends_reports, languages.of_interface())


@cache
def _text(purpose: Purpose, writes_letters: bool, sends_reports: bool, _locale: str) -> str:
    if purpose is Purpose.UPDATES:
        return gettext("You may write to me about this and other campaigns. I can end this at any time.")
    if writes_letters and sends_reports:
        return gettext(
            "I agree that my name, my country and what I write are stored and sent in a letter in my name to the "
            "officials named here. Those who get reports are told my country and, if I allow my name to be shown, my "
            "name and my sentence. I know that this shows a political opinion, and that I can withdraw it."
        )
    if sends_reports:
        return gettext(
            "I agree that my name, my country and what I write are stored and counted, and that reports to the "
            "officials named here hold my country and, if I allow my name to be shown, my name and my sentence. "
            "I know that this shows a political opinion, and that I can withdraw it."
        )
    if writes_letters:
        return gettext(
            "I agree that my name, my country and what I write are stored and sent in a letter in my name to the "
            "officials named here. I know that this shows a political opinion, and that I can withdraw it."
        )
    return gettext(
        "I agree that my name, my country and what I write are stored and counted for this campaign. "
        "I know that this shows a political opinion, and that I can withdraw it."
    )


def wording_id(purpose: Purpose, text: str, *, names_to_officials: bool = False) -> int:
    """The row of these words in the language of the page; made when they are first used.

    `names_to_officials` is what the words themselves say: the same words always come with the same.
    """
    language = languages.current()
    key = (purpose, language, text)
    memory: dict[tuple[Purpose, str, str], int] = current_app.extensions["consent_wordings"]
    if key in memory:
        return memory[key]
    content_hash = hashlib.sha256(text.encode()).hexdigest()
    mine = (ConsentWording.purpose == purpose, ConsentWording.language == language)
    known = sa.select(ConsentWording.id).where(*mine, ConsentWording.content_hash == content_hash)
    if (found := db.session.scalar(known)) is not None:
        # Only what was there before this transaction, which may yet be rolled back. Rows never change.
        memory[key] = found
        return found
    number = sa.select(sa.func.coalesce(sa.func.max(ConsentWording.version), 0) + 1).where(*mine)
    db.session.execute(
        db.insert(ConsentWording)
        .values(
            purpose=purpose,
            language=language,
            version=number.scalar_subquery(),
            content_hash=content_hash,
            text=text,
            names_to_officials=names_to_officials,
            created_at=db.now(),
        )
        .on_conflict_do_nothing()
    )
    return db.session.execute(known).scalar_one()


def init_app(app: Flask) -> None:
    app.extensions["consent_wordings"] = {}
