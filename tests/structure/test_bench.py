"""The benchmark's own application works: nobody runs `make bench` with every change."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.conftest import SECRET


def test_the_limit_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> None:
    monkeypatch.setenv("ACTIONKIT_INSTANCE", str(tmp_path))
    monkeypatch.setenv("ACTIONKIT_SECRET_KEY", SECRET)
    monkeypatch.setenv("ACTIONKIT_DATABASE_URL", database_url)
    limits = importlib.reload(importlib.import_module("bench.limits"))
    client = limits.app.test_client()
    assert client.get("/hello").status_code == 200
    assert client.post("/insert", data={"email": "ann@example.org"}).status_code == 204
    assert "A title" in client.get("/one-query").text
    for engine in limits.engines.values():
        engine.dispose()
