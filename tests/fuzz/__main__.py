"""`python -m tests.fuzz --minutes 10 [--seed 1]`: exit 1 where any answer was a fault of ours."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.running import fuzz
from tests.fuzz.site import fuzzed_site


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="actionkit-fuzz-") as folder, fuzzed_site(Path(folder)) as (site, values):
        found = fuzz(site, values, seconds=asked.minutes * 60, seed=asked.seed)
    for status, raw in found.faults[:20]:
        print(status, raw[:2_000])
    print(f"{found.statuses.total()} requests to {len(found.rules)} routes: {dict(found.statuses.most_common())}")
    print(f"{len(found.faults)} faults")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
