"""What people's text may hold, and Markdown made into safe HTML."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

FORMULA_STARTS = "=+-@\t\r＝＋－＠"
"""First characters that a spreadsheet takes for a formula; the last four are full-width."""

# C0 and C1 controls, line and paragraph separators, bidirectional embeddings, overrides and
# isolates, the replacement character. Joiners and direction marks (U+200C-200F) stay: Persian
# and Hindi names need them.
_NOT_IN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffd\ud800-\udfff<>{}]|://")
_NOT_IN_PROSE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ufffd\ud800-\udfff]")

_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False}).enable("table")
_TAGS = set("p h2 h3 h4 h5 ul ol li strong em a blockquote code pre br hr table thead tbody tr th td".split())


def trim_line(text: str) -> str:
    """A line as it is stored: NFC, without blanks and tabs around it.

    Line breaks are left for `line_is_clean` to refuse: no browser sends one from a one-line field.
    """
    start, end = 0, len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    return unicodedata.normalize("NFC", text[start:end])


def _is_blank(character: str) -> bool:
    return character == "\t" or unicodedata.category(character) == "Zs"


def line_is_clean(text: str) -> bool:
    """Whether a name or a postcode holds nothing that harms a mail, a page, a list or a spreadsheet."""
    return not _NOT_IN_A_LINE.search(text) and text[:1] not in tuple(FORMULA_STARTS)


def prose_is_clean(text: str) -> bool:
    """Whether a comment or a letter holds no control character but line feed and tab."""
    return not _NOT_IN_PROSE.search(text)


def guarded(text: str) -> str:
    """The text, with a leading apostrophe where a spreadsheet would take it for a formula.

    See OWASP, "CSV Injection": = + - @ tab and carriage return, and their full-width forms.
    """
    return f"'{text}" if text.startswith(tuple(FORMULA_STARTS)) else text


def has_letter(text: str) -> bool:
    return any(unicodedata.category(character).startswith("L") for character in text)


def unix_lines(text: str) -> str:
    """Forms send CRLF (HTML, 4.10.21.8); it is stored as LF and counted as one character."""
    return text.replace("\r\n", "\n")


@lru_cache(maxsize=500)
def to_html(markdown: str) -> Markup:
    """Staff's Markdown as HTML. Raw HTML in it is shown as text; unknown tags are dropped."""
    html = _markdown.render(markdown)
    # The page has the one h1, so a text's highest headings become h2, and no level is skipped above them.
    levels = [int(level) for level in re.findall(r"<h([1-6])>", html)]
    shift = 2 - min(levels, default=2)
    html = re.sub(r"(</?h)([1-6])>", lambda m: f"{m[1]}{min(int(m[2]) + shift, 5)}>", html)
    return Markup(
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={"a": {"href", "title"}, "ol": {"start"}},
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener",
        )
    )
