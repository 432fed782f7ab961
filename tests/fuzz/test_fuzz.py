"""Some seconds of it: the whole is `python -m tests.fuzz`."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.running import fuzz, public_rules
from tests.fuzz.site import fuzzed_site


def test_no_request_is_answered_by_a_fault_of_ours(tmp_path: Path) -> None:
    with fuzzed_site(tmp_path) as (site, values):
        found = fuzz(site, values, seconds=5, seed=20261124)
        rules = public_rules(site)
        assert site.is_healthy()
    assert found.faults == []
    assert set(found.rules) == set(rules), "some route was never asked"
    assert {"200", "400", "404", "405"} <= set(found.statuses)
