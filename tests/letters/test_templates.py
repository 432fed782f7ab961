"""Letter templates: what is refused when saved, and that filling them cannot be abused."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionkit.letters.templates import VARIABLES, TemplateFault, check, render, render_subject
from actionkit.text import prose_is_clean

END = "\n\n{{supporter_name}}\n{{supporter_country}}"


@pytest.mark.parametrize(
    ("template", "line", "says"),
    [
        ("Dear\n{{ email }}" + END, 2, "email"),
        ("Dear\n\n{{ config.SECRET_KEY }}" + END, 3, "config"),
        ("{{ ''.__class__ }}" + END, 1, ""),
        ("{{ supporter_name | upcase }}" + END, 1, "upcase"),
        ("a\n{{ supporter_name | bogus }}" + END, 2, "bogus"),
        ("a\n{% for x in (1..1000000000) %}x{% endfor %}" + END, 2, "for"),
        ("{% include 'x' %}" + END, 1, "include"),
        ("{% assign x = 1 %}" + END, 1, "assign"),
        ("{% raw %}{{ x }}{% endraw %}" + END, 1, "raw"),
        ("{% capture x %}{% endcapture %}" + END, 1, "capture"),
        ("{{ 'a' * 10**9 }}" + END, 1, ""),
        ("a\nb {{ supporter_name" + END, 4, ""),
        ("{% if supporter_comment %}never ended" + END, 4, "endif"),
        ("{{supporter_name}}", 1, "supporter_country"),
        ("{{supporter_country}}", 1, "supporter_name"),
        ("x" * 20_001 + END, 1, "20000"),
    ],
)
def test_refused_with_its_line(template: str, line: int, says: str) -> None:
    with pytest.raises(TemplateFault) as refused:
        check(template)
    assert refused.value.line == line
    assert says in refused.value.message


def test_conditions_and_defaults_work() -> None:
    template = (
        "{{ official_salutation | default: 'Dear Sir or Madam' }},\n\n"
        "{% if supporter_comment %}In my words:\n\n{{supporter_comment}}{% else %}I have no words.{% endif %}" + END
    )
    check(template)
    filled = {"supporter_name": "Ann", "supporter_country": "Italy"}
    assert render(template, filled) == "Dear Sir or Madam,\n\nI have no words.\n\nAnn\nItaly"
    assert render(template, {**filled, "supporter_comment": "Do it."}).startswith(
        "Dear Sir or Madam,\n\nIn my words:\n\nDo it."
    )


def test_a_paragraph_of_empty_variables_is_dropped() -> None:
    template = "{{official_salutation}},\n\nPlease.\n\n{{supporter_comment}}" + END
    filled = {"official_salutation": "Sir", "supporter_name": "Ann", "supporter_country": "Italy"}
    assert render(template, filled) == "Sir,\n\nPlease.\n\nAnn\nItaly"


def test_a_subject_is_one_line() -> None:
    assert render_subject("About {{supporter_comment}}", {"supporter_comment": "a\n\nb"}) == "About a b"
    with pytest.raises(TemplateFault):
        check("  ", is_subject=True)


HOSTILE = ["{{config}}", "{{''.__class__.__mro__}}", "{% raw %}", "{{supporter_comment}}", "${7*7}", "#{7*7}", "{%"]


@given(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=500).filter(prose_is_clean)))
def test_what_a_supporter_writes_arrives_as_it_is(words: str) -> None:
    template = "Before\n\nx{{supporter_comment}}y" + END
    values = dict.fromkeys(VARIABLES, "") | {
        "supporter_comment": words,
        "supporter_name": "A",
        "supporter_country": "B",
    }
    expected = f"Before\n\nx{words}y\n\nA\nB" if words else "Before\n\nA\nB"
    assert render(template, values) == expected


@given(st.text(alphabet="{}%| .'ab_\n" + "supporter_name", max_size=120))
def test_any_template_is_taken_or_refused_quickly(text: str) -> None:
    began = time.monotonic()
    try:
        check(text + END)
    except TemplateFault as fault:
        line = fault.line
        assert 1 <= line <= text.count("\n") + END.count("\n") + 1
    else:
        render(text + END, {"supporter_name": "A", "supporter_country": "B"})
    assert time.monotonic() - began < 1
