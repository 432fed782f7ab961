"""Databases that go away, stand still, are crowded, or have no room left."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.rig import POSTGRESQL, Round, Scale
from tests.faults.signers import Answer, Signers, post_sign
from tests.faults.site import SLUG, Site, children, form, is_running
from tests.journeys.product import link_in, wait_until

NORMAL_SECONDS = 10
"""Within which all is as before, once the database is there again."""
STUCK_SECONDS = 10
"""Within which a request is answered whose database stands still."""
HONEST = {303, 503}


# ---------------------------------------------------------------- away


def restarted(round_: Round) -> None:
    """F18. PostgreSQL `restart -m immediate` during load; for SQLite, web and worker restarted together.

    L = 0, D = 0. In the gap there is 503 with Retry-After, not 500. All is normal within 10 s of
    the database being up, and no process was restarted by hand.
    """
    with round_.site() as site:
        worker, web = site.start_worker(), site.start_web(round_.scale.pick(1, 2))
        signers = round_.signers(site, 6, 12)
        if round_.kind == POSTGRESQL:
            up = _restart_postgres(round_, site, signers, [worker.pid, web.pid, *children(web.pid)])
        else:
            up = _restart_all(round_, site, signers, web, worker)
        round_.green_again(site)
        round_.count(site, signers, least=round_.scale.pick(10, 200))
        first = min(answer.at for answer in signers.answers if answer.began > up and answer.status == 303) - up
        round_.measured["normal after s"] = round(first, 1)
        limit = round_.scale.pick(20, NORMAL_SECONDS)
        round_.expect(first <= limit, f"normal only after {first:.1f} s")
        late = [a.status for a in signers.answers if a.began > up + limit and a.status != 303]
        round_.expect(not late, f"still {set(late)} after {limit} s")
        _mails_flow(round_, site)


def _restart_postgres(round_: Round, site: Site, signers: Signers, processes: list[int]) -> float:
    with signers.at_work():
        wait_until(lambda: len(signers.thanked()) > 2 * signers.clients, 30, "people to sign")
        round_.rig.postgres.restart_at_once()
        up = time.monotonic()
        time.sleep(round_.scale.pick(2, 15))
    refused = [answer for answer in signers.answers if answer.status == 503]
    round_.injected(len(refused), "requests in the gap")
    round_.expect(all(answer.retry_after for answer in refused), "a 503 without Retry-After")
    round_.expect(set(signers.statuses()) <= HONEST, f"clients saw {sorted(signers.statuses())}")
    round_.expect(all(map(is_running, processes)), "a process of ours had to be started again")
    return up


def _restart_all(
    round_: Round, site: Site, signers: Signers, web: subprocess.Popen[bytes], worker: subprocess.Popen[bytes]
) -> float:
    with signers.at_work():
        wait_until(lambda: len(signers.thanked()) > 5 * signers.clients, 30, "people to sign")
        site.kill(web)
        site.kill(worker)
        site.start_worker()
        site.start_web(round_.scale.pick(1, 2))
        up = time.monotonic()
        time.sleep(round_.scale.pick(2, 15))
    round_.injected(signers.statuses()[0], "resets")
    return up


def _mails_flow(round_: Round, site: Site) -> None:
    """The worker has found back as well: who signs now gets her mail."""
    began = time.monotonic()
    round_.expect(site.sign("afterwards@example.org") == 303, "signing does not work afterwards")
    site.link_of("afterwards@example.org", 60)
    round_.measured["mail after s"] = round(time.monotonic() - began, 1)


# ---------------------------------------------------------------- still


def paused(round_: Round) -> None:
    """F19. The database stands still (SIGSTOP) for 20 s.

    Requests are answered 503 within 10 s, the queue does not grow without bound, and all is normal
    within 10 s of SIGCONT; the worker has lost and doubled nothing.
    """
    with round_.site() as site:
        if round_.scale is Scale.WHOLE:
            site.start_worker()
        site.start_web(round_.scale.pick(1, 2))
        signers = round_.signers(site, 8, 20)
        with signers.at_work():
            wait_until(lambda: len(signers.thanked()) > 2 * signers.clients, 30, "people to sign")
            with round_.rig.postgres.paused() as stopped:
                began = time.monotonic()
                time.sleep(round_.scale.pick(STUCK_SECONDS + 1, 20))
                waiting = _connections(site.port)
                ended = time.monotonic()
            time.sleep(round_.scale.pick(3, 15))
        round_.injected(len(stopped), "processes stopped")
        _answered_in_time(round_, signers.answers, began, ended)
        round_.measured["connections at the end of it"] = waiting
        round_.expect(waiting <= 2 * signers.clients, f"{waiting} connections of {signers.clients} clients")
        late = [a for a in signers.answers if a.began > ended + NORMAL_SECONDS and a.status != 303]
        back = [a.at - ended for a in signers.answers if a.at > ended and a.status == 303]
        round_.expect(bool(back) and min(back) <= NORMAL_SECONDS, "not normal within 10 s")
        round_.expect(not late, f"still {sorted({a.status for a in late})} after {NORMAL_SECONDS} s")
        round_.green_again(site)
        round_.count(site, signers, least=round_.scale.pick(10, 200))
        if round_.scale is Scale.WHOLE:
            _everyone_is_mailed(round_, site, signers)


def _everyone_is_mailed(round_: Round, site: Site, signers: Signers) -> None:
    """Who was thanked gets her mail, whatever was in the worker's hands; nobody gets two."""
    missing = signers.thanked()

    def all_have_come() -> bool:
        missing.difference_update(mail.rcpt for mail in list(site.sink.received))
        return not missing

    with contextlib.suppress(AssertionError):
        wait_until(all_have_come, 180, "all mails")
    round_.expect(not missing, f"{len(missing)} mails did not come")
    round_.count_mails(site)


def _answered_in_time(round_: Round, answers: list[Answer], began: float, ended: float) -> None:
    """Every request that met the standing database got its 503, and soon."""
    met = [answer for answer in answers if answer.at > began + 0.5 and answer.began < ended]
    slowest = max((answer.at - max(answer.began, began) for answer in met), default=0.0)
    round_.measured |= {"asked meanwhile": len(met), "slowest answer s": round(slowest, 1)}
    round_.expect(bool(met), "nobody asked while the database stood still")
    round_.expect(slowest <= STUCK_SECONDS, f"a request waited {slowest:.1f} s")
    others = {answer.status for answer in met if answer.at < ended} - {503}
    round_.expect(not others, f"clients saw {sorted(others)}")
    round_.expect(all(a.retry_after for a in met if a.status == 503), "a 503 without Retry-After")


def _connections(port: int) -> int:
    """Connections to a port that are open on the server's side, accepted or waiting."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] in ("01", "08") for line in lines)


# ---------------------------------------------------------------- crowded


def crowded(round_: Round) -> None:
    """F20. On SQLite, 4 web processes and 2 workers write at once for 5 min.

    No "database is locked" reaches a user, no answer is 500, L = 0, D = 0, and no mail leaves twice.
    """
    with round_.site() as site:
        workers = [site.start_worker() for _ in range(2)]
        site.start_web(workers=round_.scale.pick(2, 4))
        log = site.folder / "actionkit.log"
        wait_until(lambda: log.read_text().count("worker started") == len(workers), 60, "the workers")
        signers = round_.signers(site, 8, 16)
        confirmed: list[int] = []
        with signers.at_work(), _in_background(lambda ended: _confirm_all(site, confirmed, ended)):
            time.sleep(round_.scale.pick(4, 300))
        round_.injected(min(len(signers.thanked()), len(confirmed)), "signed and confirmed at once")
        round_.measured["confirmed"] = len(confirmed)
        round_.expect(set(signers.statuses()) == {303}, f"clients saw {sorted(signers.statuses())}")
        round_.expect(set(confirmed) == {200}, f"confirming was answered with {sorted(set(confirmed))}")
        round_.expect(all(worker.poll() is None for worker in workers), "a worker ended")
        said = "".join(file.read_text() for file in site.folder.glob("*.log"))
        round_.measured["locked in the logs"] = said.count("locked") + said.count("OperationalError")
        round_.green_again(site)
        round_.count(site, signers, least=round_.scale.pick(20, 1000))
        round_.expect(site.confirmed() == len(confirmed), f"{site.confirmed()} of {len(confirmed)} are confirmed")
        round_.count_mails(site)


def _confirm_all(site: Site, statuses: list[int], ended: threading.Event) -> None:
    """Follow each link that is mailed, one after another, and keep the answers' statuses."""
    for n in itertools.count():
        while len(site.sink.received) <= n:
            if ended.wait(0.1):
                return
        mail = site.sink.received[n]
        if ended.is_set():
            return
        if mail.rcpt.endswith("@example.org"):
            statuses.append(site.post(link_in(mail.text, site.base_url))[0])


@contextlib.contextmanager
def _in_background(job: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do a job in a thread; the event tells it that the block has ended."""
    ended = threading.Event()
    thread = threading.Thread(target=job, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# ---------------------------------------------------------------- full


def disk_full(round_: Round) -> None:
    """F21. No room for the database: a small disk that is full, or a limit on the size of its files.

    Signing answers 503 with a plain message, pages can still be read, L = 0, the file passes
    `PRAGMA integrity_check`, and signing works within 10 s of space coming back, without a restart.
    """
    fill = _small_disk if round_.scale is Scale.WHOLE and os.geteuid() == 0 else _file_limit
    with round_.site() as site, fill(round_, site) as (file, make_full, make_room):
        signers = round_.signers(site, 4, 8)
        with signers.at_work():
            wait_until(lambda: len(signers.thanked()) > 2 * signers.clients, 30, "people to sign")
            make_full()
            wait_until(lambda: signers.statuses()[503] > 2 * signers.clients, 60, "the disk to be full")
            pages = {site.get(path)[0] for path in (f"/campaigns/{SLUG}", f"/campaigns/{SLUG}/count.json", "/")}
        refused = [answer for answer in signers.answers if answer.status == 503]
        round_.injected(len(refused), "refused for want of room")
        round_.expect(pages == {200}, f"pages were answered with {sorted(pages)}")
        round_.expect(set(signers.statuses()) <= HONEST, f"clients saw {sorted(signers.statuses())}")
        round_.expect(all(a.retry_after for a in refused), "a 503 without Retry-After")
        round_.expect(all("nothing was stored" in a.body for a in refused), "a 503 that does not say what happened")
        make_room()
        began = time.monotonic()
        wait_until(lambda: post_sign(site, form("room@example.org")).status == 303, NORMAL_SECONDS, "signing")
        round_.measured["signing again after s"] = round(time.monotonic() - began, 1)
        if round_.scale is Scale.WHOLE:
            site.link_of("room@example.org")  # the worker has found back as well
        round_.green_again(site)
        round_.count(site, signers, least=10)
        with contextlib.closing(sqlite3.connect(file)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        round_.expect(verdict == "ok", f"integrity_check says {verdict!r}")


Full = tuple[Path, Callable[[], None], Callable[[], object]]
"""The database's file; filling its disk; making room again."""


@contextlib.contextmanager
def _file_limit(round_: Round, site: Site) -> Iterator[Full]:
    """The web's files may grow by a little only (RLIMIT_FSIZE)."""
    round_.measured["by"] = "a limit on files"
    web = site.start_web(round_.scale.pick(1, 2))
    file = site.folder / "actionkit.db"

    def limit(most: int) -> None:
        for pid in (web.pid, *children(web.pid)):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def make_full() -> None:
        limit(file.with_name("actionkit.db-wal").stat().st_size + 65_536)

    yield file, make_full, lambda: limit(resource.RLIM_INFINITY)


@contextlib.contextmanager
def _small_disk(round_: Round, site: Site) -> Iterator[Full]:
    """The database on a disk of 8 MB, which something else fills."""
    round_.measured["by"] = "a small disk"
    disk = round_.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    try:
        file = disk / "actionkit.db"
        shutil.move(site.folder / "actionkit.db", file)
        site.settings["DATABASE_URL"] = f"sqlite:///{file}"
        site.start_worker()
        site.start_web()
        ballast = disk / "ballast"

        def make_full() -> None:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as out:
                while True:
                    out.write(bytes(65_536))

        yield file, make_full, ballast.unlink
    finally:
        site.stop()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # the killed may not have let go yet
