"""`make bench`, and longer ones: `python -m bench servers`, `million`, `desk`, `scale`.

docs/performance.md says what is measured and how.
"""

from __future__ import annotations

import sys

from bench import desk, million, rows, scale, servers
from bench.figures import FIGURES
from bench.ground import prepared
from bench.server import ROOT

RESULTS = ROOT / "bench" / "results" / "latest.json"


def figures(only: str = "") -> int:
    """Print the figures whose names begin with `only`, and keep them in `RESULTS`."""
    chosen = {name: figure for name, figure in FIGURES.items() if name.startswith(only)}
    if not chosen:
        print(f"there is no bench {only!r}; there are {', '.join(FIGURES)}")
        return 2
    done: list[rows.Row] = []
    print(rows.HEAD)
    with prepared() as ground:
        for name, figure in chosen.items():
            for row in figure(name, ground):
                print(rows.line(row), flush=True)
                done.append(row)
                rows.keep(done, RESULTS)
    return 0


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["million"]:
        return million.main(arguments[1:])
    if arguments[:1] == ["desk"]:
        return desk.main(arguments[1:])
    if arguments[:1] == ["scale"]:
        return scale.main(arguments[1:])
    if arguments[:1] == ["servers"]:
        return servers.main()
    return figures(*arguments[:1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
