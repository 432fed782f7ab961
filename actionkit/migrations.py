"""Making and upgrading the database: numbered, forward-only Alembic migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app

from actionkit import db

FOLDER = Path(__file__).resolve().parent.parent / "migrations"


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER))
    return config


def upgrade(revision: str = "head") -> tuple[str | None, str]:
    """Bring the database to the newest schema (or an earlier one, for tests); (before, newest)."""
    config = _alembic()
    with db.unhurried() as connection, _tables_may_be_rebuilt(connection), connection.begin():
        before = MigrationContext.configure(connection).get_current_revision()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
            raise RuntimeError(f"{len(broken)} rows point nowhere after the upgrade; nothing was changed")
    return before, newest()


@contextmanager
def _tables_may_be_rebuilt(connection: sa.Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew, and dropping the old one would delete what points to it.

    So foreign keys rest meanwhile, as SQLite's own instructions say (sqlite.org/lang_altertable.html, 7);
    the setting cannot be changed within a transaction.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.execute("PRAGMA foreign_keys=OFF").close()
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys=ON").close()


def newest() -> str:
    return str(ScriptDirectory.from_config(_alembic()).get_current_head())


def current() -> str | None:
    """The schema's revision in the database, or None for an empty one."""
    with current_app.extensions["database"]["reading"].connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
