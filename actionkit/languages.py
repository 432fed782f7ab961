"""Which language a page speaks.

A page is the same for everyone who asks for it in one language, so that any cache may keep
it: the language is in the URL (`?lang=it`), never in Accept-Language or a cookie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.localedata import locale_identifiers
from flask import Flask, g, has_app_context, request
from flask_babel import Babel, force_locale, get_locale, get_translations

INTERFACE = ("en", "it", "hi")
"""Languages that the interface speaks; the first is the one of pages that name none."""

_RIGHT_TO_LEFT_FALLBACK = "ltr"
_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")

_WITH_REGION = ("pt-BR", "zh-Hant", "zh-Hans", "sr-Latn", "en-US", "en-GB", "fr-CA", "es-MX", "de-CH")

babel = Babel()


def gettext_noop(text: str) -> str:
    """The text as it is: marks a sentence that is stored in English and translated when it is shown."""
    return text


def is_language(tag: str) -> bool:
    """Whether the text is a language tag (BCP 47) that we know the name of."""
    return bool(_TAG.fullmatch(tag)) and _locale(tag) is not None


@cache
def _locale(tag: str) -> Locale | None:
    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return None


def direction(tag: str) -> str:
    """`ltr` or `rtl`."""
    locale = _locale(tag)
    return locale.text_direction if locale else _RIGHT_TO_LEFT_FALLBACK


def own_name(tag: str) -> str:
    """The language's name in itself: "italiano"."""
    locale = _locale(tag)
    return (locale.get_display_name() or tag) if locale else tag


def name_here(tag: str) -> str:
    """The language's name in the language of the page: "Italian"."""
    locale = _locale(tag)
    return (locale.get_display_name(_locale(current()) or INTERFACE[0]) or tag) if locale else tag


@cache
def choices(tag: str) -> tuple[tuple[str, str], ...]:
    """(tag, name in the language `tag`) of the languages that a text may be in, in the order of their names."""
    locale = _locale(tag) or Locale.parse(INTERFACE[0])
    known = {base for base in locale_identifiers() if re.fullmatch("[a-z]{2,3}", base)} | set(_WITH_REGION)
    named = [(each, _locale(each).get_display_name(locale)) for each in known]  # type: ignore[union-attr]
    return tuple(sorted(((each, name) for each, name in named if name), key=lambda pair: pair[1].casefold()))


def choose(available: Iterable[str] = INTERFACE) -> str:
    """The language of this page: `?lang` where it is one of `available`, else the first of them.

    From here on the interface speaks it too, as far as it can.
    """
    available = tuple(available)
    wanted = request.args.get("lang", "")
    g.language = wanted if wanted in available else available[0]
    return str(g.language)


def current() -> str:
    """The language of the page at hand, as a BCP 47 tag."""
    return str(g.get("language", INTERFACE[0]))


def interface_locale(tag: str) -> str:
    """The interface's language for a text in `tag`: the same where we speak it, else English."""
    base = tag.split("-")[0]
    return base if base in INTERFACE else INTERFACE[0]


def of_interface() -> str:
    """The language that the interface speaks on the page at hand."""
    return interface_locale(current()) if has_app_context() else INTERFACE[0]


@cache
def _catalogue(locale: Locale) -> Any:
    with force_locale(str(locale)):
        return get_translations()


def _spoken() -> Any:
    """The sentences in the language that is spoken now, on a page or in a mail."""
    return _catalogue(get_locale())


def init_app(app: Flask) -> None:
    babel.init_app(app, default_locale=INTERFACE[0], default_timezone="UTC", locale_selector=of_interface)
    # Flask-Babel's own look for the catalogue at each sentence, which is a sixth of drawing a page.
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=lambda text: _spoken().ugettext(text),
        ngettext=lambda one, many, number: _spoken().ungettext(one, many, number),
        pgettext=lambda context, text: _spoken().upgettext(context, text),
        npgettext=lambda context, one, many, number: _spoken().unpgettext(context, one, many, number),
        newstyle=True,
    )
    app.jinja_env.globals.update(
        language=current,
        language_direction=direction,
        language_name=own_name,
        language_name_here=name_here,
        interface_languages=INTERFACE,
    )
