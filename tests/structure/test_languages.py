"""Every sentence of the interface exists in every language of the interface."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from actionkit.languages import INTERFACE
from tests.signing.site import Site
from tests.structure.page import Page

ROOT = Path(__file__).parents[2]
TRANSLATIONS = ROOT / "actionkit" / "translations"
OTHERS = INTERFACE[1:]
KEYWORDS = {
    "_": None,
    "_l": None,
    "gettext": None,
    "lazy_gettext": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
PLACEHOLDER = re.compile(r"%\(\w+\)s|<[^>]+>")


def catalogue(language: str) -> Catalog:
    file = TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"
    assert file.is_file(), f"{file.relative_to(ROOT)} does not exist: run `make translations`"
    with file.open("rb") as opened:
        return read_po(opened, locale=language)


def sentences() -> dict[str, str]:
    """Every msgid in code and templates, with a place where it stands."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as opened:
        methods, options = parse_mapping_cfg(opened)
    found: dict[str, str] = {}
    for folder in ("actionkit", "templates"):
        rules = [
            (pattern.removeprefix(f"{folder}/"), method)
            for pattern, method in methods
            if pattern.startswith(f"{folder}/")
        ]
        settings = {p.removeprefix(f"{folder}/"): o for p, o in options.items() if p.startswith(f"{folder}/")}
        for file, line, message, _comments, _context in extract_from_dir(
            ROOT / folder, rules, settings, keywords=KEYWORDS
        ):
            msgid = message[0] if isinstance(message, tuple) else message
            if msgid:
                found[str(msgid)] = f"{folder}/{file}:{line}"
    return found


def texts(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple | list) else [message.string]


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_is_translated(language: str) -> None:
    known = catalogue(language)
    found = sentences()
    assert len(found) > 100, "the sentences are not found"
    missing = [
        f"{place}: {msgid!r}"
        for msgid, place in found.items()
        if (message := known.get(msgid)) is None or not all(texts(message)) or message.fuzzy
    ]
    assert missing == [], f"{len(missing)} sentences lack {language}"


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_keeps_what_is_filled_in(language: str) -> None:
    for message in catalogue(language):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
        allowed = {mark for msgid in ids for mark in PLACEHOLDER.findall(msgid)}
        needed = set.intersection(*({*PLACEHOLDER.findall(msgid)} for msgid in ids))
        for text in texts(message):
            used = set(PLACEHOLDER.findall(text))
            assert used <= allowed, f"{ids[0]!r}: {used - allowed} is not filled in"
            assert needed <= used, f"{ids[0]!r}: {needed - used} is lost"


@pytest.mark.parametrize("language", OTHERS)
def test_compiled_catalogues_are_fresh(language: str) -> None:
    po = TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"
    mo = po.with_suffix(".mo")
    assert mo.is_file(), "run `make install`, which compiles them"


@pytest.mark.one_database
@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("path", ["/", "/archive", "/updates", "/programs/clean-water"])
def test_a_page_speaks_its_language(site: Site, language: str, path: str) -> None:
    own, other = (Page(site.client.get(f"{path}{query}").text) for query in ("", f"?lang={language}"))
    assert other.one("html")["lang"] == language
    said = [page.all("a", href="#main")[0].words for page in (own, other)]
    assert said[0] != said[1], f"{said[0]!r} is not in {language}"
    local = [a["href"] for a in other.all("a") if a["href"].startswith("/") and not a.has("hreflang")]
    general = [href for href in local if not href.startswith(("/campaigns/", "/feed"))]
    assert all(f"lang={language}" in href for href in general), f"a link leaves {language}"
