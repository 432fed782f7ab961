"""A site with the test content, on each kind of database, and members of its staff."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from actionkit import create_app, db
from actionkit.screening import operations
from actionkit.screening.lists import canonical_pattern
from actionkit.screening.models import RuleAction, RuleKind
from tests.conftest import make_config
from tests.signing.site import Site
from tests.structure.conftest import sign_in as sign_in


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


def add_rule(site: Site, kind: RuleKind, pattern: str, action: RuleAction = RuleAction.HOLD) -> None:
    """A line of the lists, as if staff had written it."""
    with site.app.app_context():
        assert operations.add_rule(kind, canonical_pattern(kind, pattern), action, note="")
        db.session.commit()


@pytest.fixture(scope="session")
def bare_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """An application whose database is never asked."""
    return create_app(make_config(tmp_path_factory.mktemp("bare")))


@pytest.fixture
def context_only(bare_app: Flask) -> Iterator[Flask]:
    with bare_app.app_context():
        yield bare_app
