"""What names and prose may hold, and Markdown that cannot harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionkit.text import has_letter, line_is_clean, prose_is_clean, to_html, trim_line, unix_lines


def test_a_line_is_trimmed_and_composed() -> None:
    assert trim_line("  \t Jose\u0301\u00a0 ") == "José"


@pytest.mark.parametrize("character", list("\0\a\n\r\x1f\x7f\x85\x9f\u2028\u2029\u202a\u202e\u2066\u2069<>{}\ufffd"))
def test_a_line_without(character: str) -> None:
    assert not line_is_clean(f"Ann{character}")
    assert not line_is_clean(f"{character}Ann")


@pytest.mark.parametrize("start", list("=+-@＝＋－＠"))
def test_no_formula(start: str) -> None:
    assert not line_is_clean(f"{start}1+1")
    assert line_is_clean(f"Ann{start}1")


@pytest.mark.parametrize(
    "name", ["Ng", "علی‌رضا", "O'Neil", "Robert'); DROP TABLE signatures;--", "नरेन्द्र", "L·lúcia", "J. R. R."]
)
def test_names_of_the_world(name: str) -> None:
    assert line_is_clean(trim_line(name))
    assert has_letter(name)


@pytest.mark.parametrize("name", ["...", "\u0301\u0301", "123", "❤️"])
def test_no_name_without_a_letter(name: str) -> None:
    assert not has_letter(name)


def test_prose_keeps_lines_and_tabs_and_braces() -> None:
    assert prose_is_clean(unix_lines("a\r\n\tb {{7*7}} <b> https://example.org ❤️"))
    for character in "\0\x0b\r\x1b\x85\u202e\ufffd":
        assert not prose_is_clean(f"a{character}b")


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](javascript:alert(1))",
        "<img src=x onerror=alert(1)>",
        "[x](data:text/html,<script>alert(1)</script>)",
        "<iframe src=https://evil.example></iframe>",
        "</textarea><style>*{display:none}</style>",
        "`<script>`",
    ],
)
def test_markdown_cannot_harm(attack: str) -> None:
    html = str(to_html(attack)).lower()
    for tag in ("<script", "<img", "<iframe", "<style", "</textarea", 'href="javascript', 'href="data'):
        assert tag not in html


def test_headings_begin_below_the_pages_own() -> None:
    assert to_html("# One\n\n## Two") == "<h2>One</h2>\n<h3>Two</h3>\n"
    assert to_html("## One\n\n### Two") == "<h2>One</h2>\n<h3>Two</h3>\n"


@given(st.text(max_size=300))
def test_any_markdown_becomes_html_without_active_parts(text: str) -> None:
    html = str(to_html(text)).lower()
    assert "<script" not in html
    assert 'href="javascript:' not in html
