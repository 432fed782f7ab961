"""Lists that come in by files, and what is left where the import is killed."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.faults.rig import Round
from tests.faults.site import SLUG, Site
from tests.faults.upkeep import DIES_AT
from tests.journeys.product import ROOT

STATEMENTS = tuple(range(1, 40))


def officials(round_: Round) -> None:
    """F31. A list of officials, killed before each statement of its import in turn, and run again.

    All or nothing for a file: after each kill none of them is there, at the end each is there once,
    on the campaign's list in the order of the file, and the same file again changes nothing.
    """
    count = round_.scale.pick(500, 10_000)
    with round_.site() as site:
        file = site.folder / "officials.csv"
        rows = (f"o-{n},Official {n},IT,it,o{n}@example.org" for n in range(count))
        file.write_text("id,name,country,language,email\n" + "\n".join(rows) + "\n")
        words = ("officials", "import", str(file), "--campaign", SLUG)
        before = _content(site)
        kills = 0
        for n in round_.scale.pick(STATEMENTS[4:15:5], STATEMENTS):
            done = subprocess.run(
                [sys.executable, "-c", DIES_AT, str(n), *words], cwd=ROOT, env=site.environ, capture_output=True
            )
            if done.returncode == 0:
                break
            assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-500:]
            kills += 1
            round_.expect(_content(site) == before, f"killed at statement {n} it left something")
        round_.injected(kills, "kills in the middle")
        for _twice in range(2):
            said = site.command(*words)
            round_.expect(said == f"{count} officials imported into {SLUG}\n", said)
            stored = [row.slug for row in site.query(_SEATED, slug=SLUG) if row.slug.startswith("o-")]
            round_.lost += count - len(set(stored))
            round_.twins += len(stored) - len(set(stored))
            round_.expect(stored == [f"o-{n}" for n in range(count)], "not in the order of the file")
        addresses = site.query("SELECT count(*) AS n FROM official_addresses WHERE email LIKE 'o%@example.org'")
        round_.expect(addresses[0].n == count, f"{addresses[0].n} addresses of {count}")


_SEATED = (
    "SELECT o.slug FROM campaign_officials s JOIN officials o ON o.id = s.official_id "
    "JOIN campaigns c ON c.id = s.campaign_id WHERE c.slug = :slug ORDER BY s.position"
)


def _content(site: Site) -> list[str]:
    tables = ("officials", "official_addresses", "campaign_officials")
    return [repr(tuple(row)) for table in tables for row in site.query(f"SELECT * FROM {table} ORDER BY id")]
