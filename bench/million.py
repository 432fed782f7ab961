"""`python -m bench million`: very many signatures signed, confirmed and counted in one run.

The product as it is shipped: its web processes, and `actionkit worker` beside them. Each person
signs by POST and confirms by POST of the link that her mail would carry, so that both happen side
by side from the first seconds to the last. The mails themselves wait in the ledger, as they do
while a mail server is away; with `--mails` the worker sends each of them to a sink.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import astuple, dataclass, fields
from itertools import pairwise
from pathlib import Path

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery.models import Outgoing, State
from actionkit.signing.counting import recount
from actionkit.signing.models import CampaignCount, Signature, SignatureState, Submission
from bench import campaigns, load, plot, tables
from bench.compare import CLIENTS
from bench.ground import Installation, Kind, prepared
from bench.people import People
from bench.server import ROOT, free_port, mail_sink, serving, working

SAMPLE_SECONDS = 5.0
PROGRESS_SECONDS = 60.0
COUNTED_WITHIN_SECONDS = 30.0
MAILED_WITHIN_SECONDS = 12 * 3600.0
POINTS = 100
"""Of a line in the plot, at most: each is the mean over the samples in between."""

IMAGES, RESULTS = ROOT / "docs" / "images", ROOT / "bench" / "results"


@dataclass(frozen=True)
class Sample:
    """How far it was at a moment."""

    seconds: float
    """Under load, since it began."""
    signed: int
    confirmed: int
    counted: int


# ---------------------------------------------------------------- the run


def signing(people: People, database: sa.Engine) -> Iterator[Sample]:
    """Let everybody sign and confirm; a sample every few seconds.

    Raises `RuntimeError` where nothing succeeded between two samples.
    """
    sample, asked, last_id = Sample(0, 0, 0, 0), 0, 0
    yield sample
    while not people.are_done:
        result = load.run(
            people.port,
            people.ask,
            seconds=SAMPLE_SECONDS,
            connections=CLIENTS,
            first=asked,
            answered=people.answered,
        )
        asked += result.requests + CLIENTS  # of whom each may have left because there was nothing to do
        with database.connect() as connection:
            # Nobody signs at this moment, so every id that is lower has been seen.
            new = connection.execute(
                sa.select(Submission.id, Submission.public_id).where(Submission.id > last_id).order_by(Submission.id)
            ).all()
        people.to_confirm.extend(row.public_id for row in new)
        last_id = new[-1].id if new else last_id
        before = sample
        sample = Sample(
            round(before.seconds + result.seconds, 2), people.acknowledged, people.confirmed, _counted(database)
        )
        if (sample.signed, sample.confirmed) == (before.signed, before.confirmed):
            raise RuntimeError(f"nothing goes on any more, after answers {dict(result.statuses)}")
        yield sample


def _counted(database: sa.Engine) -> int:
    with database.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.sum(CampaignCount.total))) or 0)


def measure(place: Installation, signatures: int, samples: list[Sample], *, has_mails: bool) -> bool:
    """Run it, adding to `samples`, and print what came of it; whether all is as it must be."""
    with ExitStack() as running:
        mail_port = running.enter_context(mail_sink()) if has_mails else free_port()
        place = place.with_settings(MAIL_SERVER="127.0.0.1", MAIL_PORT=str(mail_port))
        running.enter_context(place.application())
        running.enter_context(working(place.environ))
        server = running.enter_context(serving("wsgi:app", place.environ))
        database = sa.create_engine(place.config.database_url)  # with no limit for long questions
        people = People(server.port, campaigns.slug(0), signatures)
        told = time.monotonic()
        for sample in signing(people, database):
            samples.append(sample)
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                print(_progress(sample), flush=True)
        counted_after = _wait(lambda: _counted(database) >= people.confirmed, COUNTED_WITHIN_SECONDS)
        print(_progress(samples[-1]))
        print(f"  the last was counted {counted_after:.1f} s after it; answers that were no success: {people.failures}")
        if has_mails:
            mailed_after = _wait(lambda: _mailed(database) >= signatures, MAILED_WITHIN_SECONDS)
            print(f"  the last of {_mailed(database):,} mails left {mailed_after:.0f} s later")
        is_right = _is_right(people, database)
        _print_sizes(database)
        database.dispose()
    return is_right


def _progress(sample: Sample) -> str:
    return (
        f"  {sample.seconds / 60:.0f} min: {sample.signed:,} signed, {sample.confirmed:,} confirmed, "
        f"{sample.counted:,} counted; {sample.confirmed / max(sample.seconds, 1):.0f} a second of each"
    )


def _wait(is_so: Callable[[], bool], seconds: float) -> float:
    """Seconds until it was so, at most `seconds`."""
    began = time.monotonic()
    while not is_so() and time.monotonic() - began < seconds:
        time.sleep(0.2)
    return time.monotonic() - began


def _mailed(database: sa.Engine) -> int:
    with database.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).where(Outgoing.state == State.SENT)) or 0


# ---------------------------------------------------------------- what came of it


def _is_right(people: People, database: sa.Engine) -> bool:
    """Print and compare: acknowledged, stored, confirmed, counted; lost and twins. Needs an application context."""
    address, state = Signature.canonical_email, Signature.state
    twice = sa.select(address).group_by(Signature.campaign_id, address).having(sa.func.count() > 1).subquery()
    with database.connect() as connection:
        stored = connection.scalar(sa.select(sa.func.count(Signature.id))) or 0
        confirmed = connection.scalar(sa.select(sa.func.count()).where(state == SignatureState.CONFIRMED)) or 0
        twins = connection.scalar(sa.select(sa.func.count()).select_from(twice)) or 0
        lost = people.lost(connection.execution_options(yield_per=10_000).scalars(sa.select(address)))
    counted, differences = _counted(database), recount()
    db.session.rollback()
    print(f"  acknowledged {people.acknowledged:,} = stored {stored:,} = confirmed {confirmed:,} = counted {counted:,}")
    print(f"  lost {lost}, twins {twins}, differences found by a recount {len(differences)}")
    return {people.acknowledged, stored, confirmed, counted} == {people.signatures} and not (
        lost or twins or differences
    )


def _print_sizes(database: sa.Engine) -> None:
    print(f"  {'':24}{'rows':>12}{'data, MB':>12}{'indexes, MB':>14}")
    with database.connect() as connection:
        for size in tables.sizes(connection):
            print(f"  {size.name:24}{size.rows:>12,}{size.data / 1e6:>12.1f}{size.indexes / 1e6:>14.1f}")


def keep(samples: list[Sample], folder: Path, kind: Kind, title: str) -> None:
    """Write the samples as `million-KIND.csv`, and what they did a second as `million-KIND.svg`."""
    folder.mkdir(exist_ok=True)
    with (folder / f"million-{kind}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Sample))
        writer.writerows(map(astuple, samples))
    ends = samples[:: -(-len(samples) // POINTS)]
    lines = {
        name: [
            ((a.seconds + b.seconds) / 120, (getattr(b, name) - getattr(a, name)) / (b.seconds - a.seconds))
            for a, b in pairwise(ends)
        ]
        for name in ("signed", "confirmed", "counted")
    }
    (folder / f"million-{kind}.svg").write_text(plot.chart(title, "minutes", "a second", lines))


def main(arguments: list[str]) -> int:
    """0 where acknowledged = stored = confirmed = counted and nobody is there twice."""
    parser = argparse.ArgumentParser(prog="python -m bench million", description=__doc__)
    parser.add_argument("--database", type=Kind, choices=list(Kind), default=Kind.SQLITE)
    parser.add_argument("--signatures", type=int, default=1_000_000)
    parser.add_argument("--mails", action="store_true", help="let the worker send every confirmation to a sink")
    parser.add_argument("--docs", action="store_true", help="keep CSV and plot in docs/images/, not in bench/results/")
    wanted = parser.parse_args(arguments)
    title = f"{wanted.signatures:,} signatures, confirmed and counted: {wanted.database.label}"
    print(title)
    samples: list[Sample] = []
    with prepared() as ground:
        content = campaigns.write(ground.folder / "content", 1, letters=False)
        installation = ground.installation("million", wanted.database, content)
        try:
            is_right = measure(installation, wanted.signatures, samples, has_mails=wanted.mails)
        finally:
            keep(samples, IMAGES if wanted.docs else RESULTS, wanted.database, title)
    print("  all is as it must be" if is_right else "  SOMETHING IS NOT AS IT MUST BE")
    return 0 if is_right else 1
