"""What those who run an installation do to it: upgrade it, back it up, restore it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import sqlalchemy as sa

from actionkit import migrations
from config import Config
from tests.faults import released
from tests.faults.released import PENDING, RELEASES, Release, Size
from tests.faults.rig import POSTGRESQL, Round
from tests.faults.signers import Signers
from tests.faults.site import Site
from tests.journeys.product import ROOT, wait_until

# ---------------------------------------------------------------- upgrade

DIES_AT = """
import os, signal, sys
import sqlalchemy as sa
left = int(sys.argv.pop(1))
def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
sa.event.listen(sa.Engine, "before_cursor_execute", count)
from actionkit.__main__ import main
main()
"""
"""`actionkit`, which is killed (SIGKILL) when it is about to execute its n-th statement."""
STATEMENTS = (1, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 113, 150, 200)


def upgrade(round_: Round) -> None:
    """F32. Each released version, with 100,000 signatures and 5,000 due letters, upgraded and killed midway.

    The same counts and the same content; a half-done upgrade goes on where it is asked again; links
    that the old version mailed work, and its due letters leave once.
    """
    for release in RELEASES:
        with round_.site(is_filled=False) as site:
            _upgrade(round_, site, release, round_.scale.pick(Size(200, 30), Size(100_000, 5_000)))


def _upgrade(round_: Round, site: Site, release: Release, size: Size) -> None:
    engine = sa.create_engine(Config.from_env(site.environ).database_url, poolclass=sa.NullPool)
    filled = released.make(engine, release, size)
    before = released.content_hash(engine, filled)
    round_.measured |= {"from": release.revision, "to": migrations.newest()}
    round_.measured["rows"] = sum(count for count, _hash in before.values())
    round_.injected(_upgrade_with_kills(round_, site, engine, release), "kills in the middle")
    round_.expect(_revision(engine) == migrations.newest(), "the upgrade did not come to its end")
    after = released.content_hash(engine, filled)
    changed = [name for name in before if before[name] != after[name]]
    round_.expect(not changed, f"{', '.join(changed)}: not what the old version stored")
    round_.lost += size.signatures - after["signatures"][0]

    site.start_web(round_.scale.pick(1, 2))
    pending = range(size.signatures - PENDING + 1, size.signatures + 1)
    for n in pending:
        path = release.link(released.public_id_of("submission", n), released.SIGNED)
        round_.expect(site.get(path)[0] == 200, "an old link does not show its page")
        round_.expect(site.post(path)[0] == 200, "an old link does not confirm")
    site.start_worker()  # not earlier: it would remind those who have not confirmed
    round_.expect(site.confirmed() == size.signatures, "not all are confirmed who should be")
    letters = size.letters + PENDING * released.OFFICIALS
    wait_until(lambda: len({m.message_id for m in list(site.sink.received)}) >= letters, 300, "the due letters")
    time.sleep(1.5)
    round_.count_mails(site)
    round_.expect(len(site.sink.received) == letters, f"{len(site.sink.received)} letters of {letters}")
    round_.green_again(site)


def _upgrade_with_kills(round_: Round, site: Site, engine: sa.Engine, release: Release) -> int:
    """Upgrade, killed at one statement after another until one try survives; kills after the upgrade's first write."""
    kills = 0
    for n in round_.scale.pick(STATEMENTS[8:9], STATEMENTS):
        done = subprocess.run(
            [sys.executable, "-c", DIES_AT, str(n), "db", "upgrade"], cwd=ROOT, env=site.environ, capture_output=True
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-500:]
        at = _revision(engine)
        round_.expect(at in (release.revision, migrations.newest()), f"killed at statement {n} it is at {at}")
        kills += release.revision != migrations.newest()
    began = time.monotonic()
    site.command("db", "upgrade")
    round_.measured["last upgrade s"] = round(time.monotonic() - began, 1)
    return kills


def _revision(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one())


# ---------------------------------------------------------------- backup


def backup(round_: Round) -> None:
    """F33. The documented backup while 25 sign each second, restored elsewhere.

    Everyone who was thanked before it began is there. The restored installation sends nothing by
    itself, so that no mail leaves twice; and whoever was erased since stays erased.
    """
    with round_.site() as site, round_.rig.new_site(round_.kind, round_.folder / "restored") as restored:
        worker, web = site.start_worker(), site.start_web(round_.scale.pick(1, 2))
        signers = round_.signers(site, 3, 10, per_second=25)
        with signers.at_work():
            wait_until(lambda: len(site.sink.received) > round_.scale.pick(5, 250), 60, "mails to leave")
            worker.send_signal(signal.SIGSTOP)  # so that mails are due in the backup that leave afterwards
            time.sleep(1)
            before = signers.thanked()
            _copy(round_, site, restored)
            worker.send_signal(signal.SIGCONT)
            time.sleep(round_.scale.pick(1, 10))
        _everything_left(site, signers)
        erased = _erase(site, before)
        site.kill(worker)
        site.kill(web)
        due = _due(restored)
        round_.injected(len(due), "mails due in the backup that have left since")
        stored = restored.people()
        round_.lost += len(before - set(stored))
        round_.measured |= {"thanked before": len(before), "stored in the backup": len(stored)}
        round_.injected(len(erased & set(stored)), "erased people in the backup")

        shutil.copytree(site.folder / "erased", restored.folder / "erased")
        restored.start_worker()
        restored.start_web(round_.scale.pick(1, 2))
        wait_until(lambda: not erased & set(restored.people()), 60, "the erased to be erased again")
        round_.expect(not _rests(restored, erased), "something of the erased came back")
        round_.expect(set(restored.people()) >= before - erased, "somebody else was erased")
        round_.expect(restored.sign(NEW) == 303, "signing does not work after a restore")
        time.sleep(round_.scale.pick(3, 15))
        round_.expect(not restored.sink.received, "a restored installation does not wait")
        health = json.loads(restored.get("/healthz")[2])
        round_.expect(health["status"] == "ok" and health["sending"]["is_paused"], "healthz does not say that it waits")

        restored.command("sending", "resume", "--cancel-old")
        wait_until(lambda: bool(restored.sink.to(NEW)), 30, "mails to leave after the pause")
        again = {mail.message_id for mail in list(restored.sink.received)} & {m.message_id for m in site.sink.received}
        round_.twins += len(again)
        round_.green_again(restored)


NEW = "after-restore@example.org"


def _erase(site: Site, people: set[str]) -> set[str]:
    """Erase the first of them by the command."""
    someone = min(people)
    site.command("erase", someone)
    return {someone}


def _rests(site: Site, people: set[str]) -> list[str]:
    """Tables that hold one of these addresses."""
    return [
        f"{table}.{column}"
        for table, column in (("signatures", "canonical_email"), ("submissions", "email"))
        for row in site.query(f"SELECT {column} AS value FROM {table}")
        if row.value in people
    ]


def _due(site: Site) -> set[str]:
    return {row.public_id for row in site.query("SELECT public_id FROM outgoing WHERE state <> 'sent'")}


def _everything_left(site: Site, signers: Signers) -> None:
    wait_until(lambda: {m.rcpt for m in list(site.sink.received)} >= signers.thanked(), 120, "all mails to leave")


def _copy(round_: Round, site: Site, restored: Site) -> None:
    """Back up with the commands of docs/backup.md, and put the copy into the other installation's place."""
    if round_.kind == POSTGRESQL:
        server, dump = round_.rig.postgres, round_.folder / "actionkit.dump"
        source, target = (_database_name(s) for s in (site, restored))
        server.tool("pg_dump", "--format=custom", f"--file={dump}", source)
        server.tool("pg_restore", "--clean", "--if-exists", f"--dbname={target}", str(dump))
        return
    copy = round_.folder / "copy.db"
    site.command("backup", str(copy))
    for file in restored.folder.glob("actionkit.db*"):
        file.unlink()
    shutil.copy(copy, restored.folder / "actionkit.db")


def _database_name(site: Site) -> str:
    return sa.make_url(site.settings["DATABASE_URL"]).database or ""
