"""Clients that sign, one person after another, and write down who was thanked."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.site import SLUG, THANKS, Site, form

PAUSE_SECONDS = 0.05
"""Between a refusal and the next try with the same form."""


@dataclass(frozen=True)
class Answer:
    """What came back for one post; status 0 = the connection broke before the answer was whole.

    `body` is that of an answer which is no thank-you, or how the connection broke.
    """

    began: float
    seconds: float
    status: int
    location: str = ""
    retry_after: str = ""
    body: str = ""

    @property
    def at(self) -> float:
        return self.began + self.seconds


def post_sign(site: Site, fields: dict[str, str]) -> Answer:
    """Post the sign form once."""
    began = time.monotonic()
    try:
        status, headers, body = site.post(f"/campaigns/{SLUG}/sign", fields)
    except (OSError, http.client.HTTPException) as error:
        return Answer(began, time.monotonic() - began, 0, body=type(error).__name__)
    return Answer(
        began,
        time.monotonic() - began,
        status,
        headers.get("Location", ""),
        headers.get("Retry-After", ""),
        "" if status == 303 else body,
    )


@dataclass
class Signers:
    """Some clients at work on a site.

    A person counts as thanked when the whole answer was read. Her address is then on disk before
    her client goes on, so that what the rig knows is older than whatever it kills.
    """

    site: Site
    folder: Path
    clients: int
    per_second: float = 0
    """How many persons sign each second, all clients together; 0 = as many as it goes."""
    answers: list[Answer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[Signers]:
        """Sign until the block ends; each client ends with the answer it waits for."""
        self.folder.mkdir(parents=True, exist_ok=True)
        threads = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(self.clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _work(self, number: int) -> None:
        with (self.folder / f"{number}.txt").open("a") as journal:
            for n in itertools.count():
                email = f"p{number}-{n}@example.org"
                while not self._stop.is_set():
                    began = time.monotonic()
                    if self._is_thanked(email):
                        journal.write(f"{email}\n")
                        journal.flush()
                        os.fsync(journal.fileno())
                        self._keep_pace(began)
                        break
                    self._stop.wait(PAUSE_SECONDS)
                else:
                    return

    def _is_thanked(self, email: str) -> bool:
        answer = post_sign(self.site, form(email))
        self.answers.append(answer)
        return answer.status == 303 and answer.location == THANKS

    def _keep_pace(self, began: float) -> None:
        if self.per_second:
            self._stop.wait(max(0.0, began + self.clients / self.per_second - time.monotonic()))

    # ------------------------------------------------------------ what they know

    def thanked(self) -> set[str]:
        """Everyone who was thanked so far, read from the disk."""
        return {line for file in self.folder.glob("*.txt") for line in file.read_text().splitlines()}

    def statuses(self) -> Counter[int]:
        """How often each status was seen; 0 = a broken connection."""
        return Counter(answer.status for answer in self.answers)

    def wrongly_thanked(self) -> int:
        """Answers that look like a thank-you and lead somewhere else."""
        return sum(answer.status == 303 and answer.location != THANKS for answer in self.answers)
