"""The product as `make run` starts it, with a mail server beside it that keeps every message."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from actionkit import serve
from config import Config
from tests.journeys.product import Product, link_in, wait_until
from tests.sink import Sink

SLUG = "italy-water"
"""The campaign that is signed: it writes to three officials."""
INSIDE = Path(__file__).parent / "inside"
"""On the PYTHONPATH of processes to which something is done from inside."""
THANKS = f"/campaigns/{SLUG}/thanks"


def form(email: str, **changed: str) -> dict[str, str]:
    """What a supporter fills in."""
    return {"name": "Ann Example", "email": email, "country": "IT", "consent": "yes", **changed}


@dataclass
class Site(Product):
    """An installation of the rig. Its processes, and theirs, end with the round."""

    sink: Sink = field(default_factory=Sink)
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables beside the settings, for processes that start from now on."""

    @property
    def environ(self) -> dict[str, str]:
        return super().environ | self.variables

    def start_web(self, workers: int = 2) -> subprocess.Popen[bytes]:
        """The web service with the options of `make run`; returns when it answers."""
        *words, application = serve._web(self.port)[2:]
        web = self.start(*words, "--workers", str(workers), application)
        wait_until(self.is_healthy, 60, "the web service")
        return web

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL to a process and to all that it started."""
        doomed = [process.pid, *children(process.pid)]
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not any(map(is_running, doomed)), what="the killed to be gone")

    def stop(self) -> None:
        for process in self.processes:
            self.kill(process)

    # ------------------------------------------------------------ what is stored

    def query(self, sql: str, **values: Any) -> Sequence[Any]:
        """Rows of the installation's database, read or changed behind the product's back."""
        engine = sa.create_engine(Config.from_env(self.environ).database_url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            result = connection.execute(sa.text(sql), values)
            return result.all() if result.returns_rows else []

    def people(self, slug: str = SLUG) -> Counter[str]:
        """How many signatures each address has on a campaign: one, if all is well."""
        rows = self.query(
            "SELECT s.canonical_email FROM signatures s JOIN campaigns c ON c.id = s.campaign_id WHERE c.slug = :slug",
            slug=slug,
        )
        return Counter(row.canonical_email.casefold() for row in rows)

    def confirmed(self, slug: str = SLUG) -> int:
        """How many signatures of a campaign are confirmed."""
        (row,) = self.query(
            "SELECT count(*) AS n FROM signatures s JOIN campaigns c ON c.id = s.campaign_id"
            " WHERE c.slug = :slug AND s.state = 'confirmed'",
            slug=slug,
        )
        return int(row.n)

    # ------------------------------------------------------------ what a supporter sees

    def sign(self, email: str, slug: str = SLUG, **changed: str) -> int:
        """Sign, and tell the status."""
        return self.post(f"/campaigns/{slug}/sign", form(email, **changed))[0]

    def link_of(self, address: str, seconds: float = 60) -> str:
        """The path of the confirmation link that was mailed to an address, when it has come."""
        wait_until(lambda: bool(self.sink.to(address)), seconds, "a confirmation")
        return link_in(self.sink.to(address)[0].text, self.base_url)


def children(pid: int) -> list[int]:
    """The processes that a process started, the oldest first, and those that they started."""
    try:
        direct = [int(n) for task in Path(f"/proc/{pid}/task").iterdir() for n in _words(task / "children")]
    except OSError:
        return []
    return direct + [below for child in direct for below in children(child)]


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:  # the thread has ended meanwhile
        return []


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden fields of the forms on a page, with their values."""
    found: dict[str, str] = {}

    class Fields(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            if tag == "input" and given.get("type") == "hidden":
                found[given.get("name") or ""] = given.get("value") or ""

    Fields().feed(page)
    return found
