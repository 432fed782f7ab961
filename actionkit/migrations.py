"""Making and upgrading the database: numbered, forward-only Alembic migrations."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app

FOLDER = Path(__file__).resolve().parent.parent / "migrations"


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER))
    return config


def upgrade() -> tuple[str | None, str]:
    """Bring the database to the newest schema; (revision before, revision now)."""
    engine = current_app.extensions["database"]["writing"]
    config = _alembic()
    with engine.begin() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, newest()


def newest() -> str:
    return str(ScriptDirectory.from_config(_alembic()).get_current_head())


def current() -> str | None:
    """The schema's revision in the database, or None for an empty one."""
    with current_app.extensions["database"]["reading"].connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
