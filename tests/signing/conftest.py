"""A site with the test content, on each kind of database."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.signing.clock import Clock
from tests.signing.site import Site


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)
