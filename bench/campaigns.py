"""A content directory with as many campaigns as a benchmark wants."""

from __future__ import annotations

from pathlib import Path

PROGRAM = "---\ntitle: A program\nlanguage: en\n---\nWhat the campaigns have in common.\n"
OFFICIALS = (
    "id,name,salutation,office,organisation,country,language,email,address\n"
    "bench-minister,The Minister,Minister,Minister,Government,IT,en,minister@government.example,Rome\n"
)
CAMPAIGN = """---
program: bench
country: IT
title: Campaign {number}
summary: A campaign like others.
state: open
goal: 1000000
language: en
letters: {letters}
officials: [bench-minister]
---
What the campaign asks for, and why.
"""
LETTER = """
--- letter ---
A letter

{{official_salutation}},

please do what the campaign asks for.

{{supporter_name}}
{{supporter_country}}
"""


def slug(number: int) -> str:
    return f"bench-{number}"


def write(folder: Path, count: int, *, letters: bool) -> Path:
    """Make `folder` with campaigns `slug(0)` to `slug(count - 1)`; with a letter to an official each, or none."""
    for name in ("programs", "campaigns"):
        (folder / name).mkdir(parents=True)
    (folder / "programs" / "bench.md").write_text(PROGRAM)
    (folder / "officials.csv").write_text(OFFICIALS)
    for number in range(count):
        text = CAMPAIGN.format(number=number, letters="each" if letters else "none")
        (folder / "campaigns" / f"{slug(number)}.md").write_text(text + LETTER)
    return folder
