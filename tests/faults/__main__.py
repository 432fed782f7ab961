"""`make faults`: every fault in its whole size, some rounds each; `python -m tests.faults F03 --rounds 1`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.faults.catalogue import FAULTS
from tests.faults.rig import Rig, Round, Scale, Verdict


def main() -> int:
    """Print a line for each fault; what was measured goes to standard error. 1 unless all held."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("numbers", nargs="*", metavar="F01", help="which ones; all without any")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="the small form, as in the tests")
    asked = parser.parse_args()
    if unknown := set(asked.numbers) - set(FAULTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; known are {', '.join(FAULTS)}")
    numbers = asked.numbers or list(FAULTS)
    # So that servers, processes and folders end with the rig.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit("ended by SIGTERM"))
    scale = Scale.SHORT if asked.short else Scale.WHOLE
    with (
        tempfile.TemporaryDirectory(prefix="actionkit-faults-", ignore_cleanup_errors=True) as folder,
        Rig(Path(folder), scale) as rig,
    ):
        held = sum(_run(rig, number, asked.rounds) for number in numbers)
    print(f"{held} of {len(numbers)} faults held")
    return 0 if held == len(numbers) else 1


def _run(rig: Rig, number: str, rounds: int) -> bool:
    verdict = Verdict(number)
    for n in range(rounds):
        parts = rig.run(number, FAULTS[number])
        verdict.rounds.append(parts)
        for part in parts:
            _tell(n + 1, part)
    print(verdict, flush=True)
    return verdict.is_held


def _tell(n: int, part: Round) -> None:
    measured = ", ".join(f"{name} {value}" for name, value in part.measured.items())
    print(f"  round {n} on {part.kind}: {measured}", file=sys.stderr)
    for sentence in part.broken:
        print(f"    broken: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
