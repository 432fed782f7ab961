"""A site and members of staff, as the officials' tests need them; on SQLite where the database does not matter."""

from __future__ import annotations

import pytest

from tests.staff.conftest import sign_in as sign_in
from tests.staff.conftest import site as site

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
