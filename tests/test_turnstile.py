"""So many at once, and an honest answer for who waited too long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import Client, EnvironBuilder

from actionkit import turnstile
from actionkit.turnstile import AT_ONCE, Turnstile


def test_the_third_waits_and_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "WAIT_SECONDS", 0.2)
    inside, leave = threading.Semaphore(0), threading.Event()

    def app(_environ: Any, start_response: Any) -> list[bytes]:
        inside.release()
        leave.wait(10)
        start_response("200 OK", [])
        return [b"done"]

    client = Client(Turnstile(app))
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(client.get("/").status_code)) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert inside.acquire(timeout=10)
    late = client.get("/")
    leave.set()
    for thread in threads:
        thread.join()
    assert (late.status_code, late.headers["Retry-After"]) == (503, "10")
    assert answers == [200] * AT_ONCE
    assert client.get("/").status_code == 200, "who has left makes room"


def test_an_answer_on_its_way_holds_up_nobody() -> None:
    def app(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        return iter([b"a", b"b"])

    gate = Turnstile(app)
    environ = EnvironBuilder().get_environ()
    unread = [gate(environ, lambda *_said: lambda _data: None) for _ in range(AT_ONCE * 5)]
    assert [b"".join(parts) for parts in unread] == [b"ab"] * AT_ONCE * 5
