"""A site and members of staff, as the officials' tests need them; on SQLite where the database does not matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.signing.site import Site
from tests.structure.conftest import csrf_token, sign_in

__all__ = ["sign_in"]

only_sqlite = pytest.mark.one_database
Post = Callable[..., TestResponse]


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


def poster(client: FlaskClient) -> Post:
    """Send forms of the desk with the token of this member's session."""
    token = csrf_token(client)

    def post(path: str, **fields: object) -> TestResponse:
        return client.post(path, data={"csrf_token": token, **fields}, content_type="multipart/form-data")

    return post
