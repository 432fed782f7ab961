"""A site with the test content, on each kind of database, and members of its staff."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.signing.site import Site
from tests.structure.conftest import sign_in

__all__ = ["sign_in"]


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)
