"""A content directory with as many campaigns as a benchmark wants."""

from __future__ import annotations

from pathlib import Path

PROGRAM = "---\ntitle: A program\nlanguage: en\n---\nWhat the campaigns have in common.\n"
OFFICIALS = "id,name,salutation,office,organisation,country,language,email,address\n"
OFFICIAL = "{id},The Minister,Minister,Minister,Government,IT,en,{id}@government.example,Rome\n"
CAMPAIGN = """---
program: bench
country: IT
title: Campaign {number}
summary: A campaign like others.
state: open
goal: 1000000
language: en
letters: {letters}
officials: [{officials}]
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


def write(folder: Path, count: int, *, letters: bool, officials: int = 1) -> Path:
    """Make `folder` with campaigns `slug(0)` to `slug(count - 1)`; with a letter to so many officials each, or none."""
    for name in ("programs", "campaigns"):
        (folder / name).mkdir(parents=True)
    (folder / "programs" / "bench.md").write_text(PROGRAM)
    ids = [f"bench-minister-{number}" for number in range(officials)]
    (folder / "officials.csv").write_text(OFFICIALS + "".join(OFFICIAL.format(id=each) for each in ids))
    for number in range(count):
        text = CAMPAIGN.format(number=number, letters="each" if letters else "none", officials=", ".join(ids))
        (folder / "campaigns" / f"{slug(number)}.md").write_text(text + LETTER)
    return folder
