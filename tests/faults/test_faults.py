"""The short form of every fault: one round, small sizes, patient limits. `make faults` runs the whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import brokers
from tests.faults.catalogue import FAULTS
from tests.faults.rig import Rig, Scale, Verdict

pytestmark = pytest.mark.processes

ROOM = 500_000_000
"""Bytes; a round takes a few million."""
NOT_YET: dict[str, str] = {}
"""Faults that the product does not survive yet, and why. Strict: one that does must leave this list."""


ELSEWHERE = {"F03", "F05"}
"""Faults whose short form is a test of its own, in tests/journeys/test_processes.py."""


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    # In memory where there is room: what is killed here is never the machine.
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    folder = Path(tempfile.mkdtemp(prefix="actionkit-faults-", dir=memory if has_room else None))
    with Rig(folder, Scale.SHORT) as made:
        yield made
    shutil.rmtree(folder, ignore_errors=True)


def _marked(number: str) -> object:
    reason = NOT_YET.get(number)
    return pytest.param(number, marks=pytest.mark.xfail(reason=reason, strict=True) if reason else ())


@pytest.mark.parametrize("number", [_marked(number) for number in FAULTS if number not in ELSEWHERE])
def test_fault(rig: Rig, number: str) -> None:
    for program in FAULTS[number].needs:
        if not brokers.is_installed(program):
            pytest.skip(f"{program} is not installed")
    (part,) = rig.run(number, FAULTS[number])
    assert part.broken == []
    assert Verdict(number, [[part]]).is_held
