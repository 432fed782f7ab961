"""Style sheets: a brace that a merge has lost would nest all that follows, and no browser complains."""

from __future__ import annotations

from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "actionkit" / "static"


@pytest.mark.parametrize("sheet", sorted(STATIC.glob("*.css")), ids=lambda sheet: sheet.name)
def test_every_rule_ends_before_the_next_begins(sheet: Path) -> None:
    depth = 0
    for number, line in enumerate(sheet.read_text("utf-8").splitlines(), 1):
        is_first = bool(line.strip()) and not line.startswith((" ", "}", "/*"))
        assert not (is_first and depth), f"{sheet.name}, line {number}: inside of what should have ended: {line}"
        depth += line.count("{") - line.count("}")
        assert depth >= 0, f"{sheet.name}, line {number}: an end too many"
    assert depth == 0, f"{sheet.name} does not end"
