"""Starting, stopping, killing: nothing that was answered is lost, nothing is left behind."""

from __future__ import annotations

import email
import email.policy
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import CONTENT
from tests.journeys.product import ROOT, Product, link_in, product, wait_until
from tests.sink import Sink

pytestmark = pytest.mark.processes

FORM = {"name": "Ann Example", "country": "IT", "consent": "yes"}


def _sign(site: Product, n: int) -> int:
    return site.post("/campaigns/italy-water/sign", {**FORM, "email": f"a{n}@example.org"})[0]


def _rows(site: Product, state: str = "all") -> int:
    return site.command("export", "signatures", "italy-water", "--state", state).count("\n") - 1


def _mail(sink: Sink) -> dict[str, str]:
    return {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(sink.port), "LETTERS_PER_OFFICIAL_PER_HOUR": "0"}


def test_sigterm_ends_after_the_letter_in_flight(tmp_path: Path) -> None:
    """F05: takes no new letter, finishes the one in flight, exits 0."""
    held = threading.Event()

    def slow_dot(step: str, _session: object) -> float | None:
        if step == "dot":
            held.set()
            return 2.0
        return None

    with Sink(script=slow_dot).running() as sink, product(tmp_path, **_mail(sink), WORKER_SENDERS="1") as site:
        site.command("content", "load", str(CONTENT))
        site.start_web(workers=1)
        for n in range(3):
            assert _sign(site, n) == 303
        worker = site.start_worker()
        assert held.wait(20)
        worker.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
        assert len(sink.received) == 1
        sink.script = lambda step, session: None
        assert "2 sent" in site.command("worker", "--drain")
        assert len({mail.message_id for mail in sink.received}) == len(sink.received) == 3


def test_sigterm_while_the_relay_is_silent_leaves_the_letter_uncertain(tmp_path: Path) -> None:
    """F05: at 25 seconds the connection is cut, the row says what is known, the exit is 0."""
    held = threading.Event()
    script = lambda step, _session: held.set() or 60.0 if step == "dot" else None  # noqa: E731
    with Sink(script=script).running() as sink, product(tmp_path, **_mail(sink), WORKER_SENDERS="1") as site:
        site.command("content", "load", str(CONTENT))
        site.start_web(workers=1)
        assert _sign(site, 1) == 303
        worker = site.start_worker()
        assert held.wait(20)
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(31) == 0
        assert 20 < time.monotonic() - began <= 30
        assert json.loads(site.get("/healthz")[2])["mail"]["uncertain"] == 1


def test_a_killed_web_service_has_kept_what_it_answered(tmp_path: Path) -> None:
    """F02: an answer comes after the commit, so a kill loses no acknowledged signature."""
    with product(tmp_path) as site:
        site.command("content", "load", str(CONTENT))
        web = site.start_web()
        acknowledged = 0
        killer = threading.Timer(1.0, lambda: os.killpg(os.getpgid(web.pid), 0) or web.kill())
        killer.start()
        try:
            for n in range(10_000):
                acknowledged += _sign(site, n) == 303
        except OSError:
            pass
        killer.join()
        web.wait()
        assert acknowledged > 0
        wait_until(lambda: not site.is_healthy(), what="its children to end")
        site.start_web()
        assert _rows(site) - acknowledged in (0, 1), "all that was answered, and at most the one in flight"


def test_a_worker_is_killed_over_and_over(tmp_path: Path) -> None:
    """A short form of F03: each twin has one Message-ID, and nothing is missing."""
    with Sink().running() as sink, product(tmp_path, **_mail(sink), LEASE_SECONDS="2", WORKER_SENDERS="2") as site:
        site.command("content", "load", str(CONTENT))
        site.start_web(workers=1)
        sink.script = lambda step, session: 0.05 if step == "dot" else None
        for n in range(60):
            assert _sign(site, n) == 303
        for _ in range(3):
            worker = site.start_worker()
            before = len(sink.received)
            wait_until(lambda before=before: len(sink.received) > before, 20, "some mail")  # type: ignore[misc]
            worker.kill()
            worker.wait()
        worker = site.start_worker()
        wait_until(lambda: len({mail.rcpt for mail in sink.received}) == 60, 40, "every mail")
        time.sleep(4)
        ids = [mail.message_id for mail in sink.received]
        assert len(set(ids)) == 60
        assert len(ids) - 60 <= 3 * 2, "at most one twin for each kill and sender"
        worker.terminate()
        assert worker.wait(30) == 0


# ---------------------------------------------------------------- actionkit run


def _run(site: Product) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "actionkit", "run", "--content", "content"],
        cwd=ROOT,
        env=site.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def _children(group: int) -> dict[str, int]:
    """pid by what it is, of the processes of a group."""
    listed = subprocess.run(["ps", "-eo", "pid,pgid,ppid,args"], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in listed.splitlines()[1:]:
        pid, pgid, ppid, args = line.split(None, 3)
        if int(pgid) == group and int(pid) != group and int(ppid) == group:
            found["web" if "gunicorn" in args else "worker"] = int(pid)
    return found


def _is_empty(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_run_starts_everything_and_starts_again_what_dies(tmp_path: Path) -> None:
    site = Product(tmp_path)
    running = _run(site)
    try:
        wait_until(site.is_healthy, 60, "the first start")
        assert running.stdout is not None
        said = [running.stdout.readline() for _ in range(5)]
        link = said[4].strip()
        assert link.startswith(f"{site.base_url}/staff/link/")
        assert site.get(urlsplit(link).path)[0] == 200
        assert site.get("/programs/stop-sex-trafficking")[0] == 200

        status, headers, _body = site.post(
            "/campaigns/italy-prevent-sex-trafficking/sign", {**FORM, "email": "ann@example.org"}
        )
        assert (status, headers["Location"]) == (303, "/campaigns/italy-prevent-sex-trafficking/thanks")
        wait_until(lambda: "ann@example.org" in site.get("/dev/mail/")[2], 20, "the confirmation in /dev/mail/")
        (file,) = (tmp_path / "mail").glob("*.eml")
        assert file.stem in site.get("/dev/mail/")[2]

        for name in ("web", "worker"):
            pid = _children(running.pid)[name]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda name=name, pid=pid: _children(running.pid).get(name, pid) != pid, 20, name)  # type: ignore[misc]
            wait_until(site.is_healthy, 20, "health after a kill")

        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(32) == 0
        wait_until(lambda: _is_empty(running.pid), 5, "all processes to end")

        began = time.monotonic()
        running = _run(site)
        wait_until(site.is_healthy, 30, "the second start")
        assert time.monotonic() - began < 30, "5 s on a quiet machine; here others are at work"
        assert "ann@example.org" in site.get("/dev/mail/")[2]
        status, _headers, _body = site.post(
            "/campaigns/italy-prevent-sex-trafficking/sign", {**FORM, "email": "bob@example.org"}
        )
        assert status == 303
        wait_until(lambda: "bob@example.org" in site.get("/dev/mail/")[2], 20, "a mail after the second start")
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        wait_until(lambda: _is_empty(running.pid), 5, "nothing to be left behind")
    finally:
        if not _is_empty(running.pid):
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def test_a_confirmation_leads_to_letters_as_files(tmp_path: Path) -> None:
    """Without a relay the whole journey can be walked in the mail folder, with --drain."""
    with product(tmp_path, LETTERS_PER_OFFICIAL_PER_HOUR="0") as site:
        site.command("content", "load", str(CONTENT))
        site.start_web(workers=1)
        assert _sign(site, 1) == 303
        assert site.command("worker", "--drain").startswith("0 counted, 1 sent, 0 still queued")
        (file,) = (tmp_path / "mail").glob("*.eml")
        page = site.get(f"/dev/mail/{file.stem}")[2]
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        text = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        path = link_in(text.replace("\r\n", "\n"), site.base_url)
        assert f'href="{site.base_url}{path}"' in page
        assert site.post(path)[0] == 200
        assert "3 sent" in site.command("worker", "--drain")
        assert json.loads(site.get("/campaigns/italy-water/count.json")[2])["signatures"] == 1


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"SECRET_KEY": "short", "BASE_URL": "https://x.example", "MAIL_DEFAULT_SENDER": "a@x.example"}, "SECRET_KEY"),
        ({"BASE_URL": "http://x.example", "MAIL_DEFAULT_SENDER": "a@x.example"}, "BASE_URL"),
        ({"BASE_URL": "https://x.example"}, "MAIL_DEFAULT_SENDER"),
        ({"SIGN_LIMIT": "many"}, "SIGN_LIMIT"),
        ({"MODE": "staging"}, "MODE"),
    ],
)
def test_unsafe_settings_are_refused_in_one_line(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    site = Product(tmp_path, {"MODE": "production", **settings})
    for words in (["-c", "import wsgi"], ["-m", "actionkit", "worker"]):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=site.environ,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 1
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert says in line


def test_the_doctor_tells_what_is_wrong(tmp_path: Path) -> None:
    site = Product(tmp_path)
    assert "database: is at nothing" in site.command("doctor", expect=1)
    site.command("db", "upgrade")
    assert site.command("doctor") == "all is well\n"
    broken = Product(tmp_path, {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": "9"})
    assert "the relay fails at connect" in broken.command("doctor", expect=1)
