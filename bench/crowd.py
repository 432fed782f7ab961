"""Millions of signatures of many campaigns over two years, on PostgreSQL, by one statement a table.

Not as people come, but as they lie there afterwards: ids in the order of time, a few campaigns with
most of them, names and countries of which some are common, all states, letters in all states. The
indexes are made afterwards, and the counts by what the rows say.
"""

from __future__ import annotations

import sqlalchemy as sa

from bench.ground import Installation

CAMPAIGNS = 60
DAYS = 730
LETTERS_FROM = 5
"""One in so many signatures has a letter in the ledger."""

# Which campaign the n-th signature is of: the cube makes the first the largest, with a quarter of all.
CAMPAIGN_OF = "(floor({campaigns} * power((n::bigint * 7919 % 1000003) / 1000003.0, 3)))::int"

SIGNATURES = """
    INSERT INTO signatures (id, public_id, campaign_id, canonical_email, state, state_reason, submission_id, signed_at,
      confirmed_at, mailed_at, reminders, is_name_public)
    SELECT n, md5(n::text), c.id, 'u' || n || '@mail' || n % 40 || '.example', state,
      CASE state WHEN 'held' THEN 'many from one address' WHEN 'invalidated' THEN 'taken out by a rule' ELSE '' END,
      CASE WHEN state IN ('confirmed', 'withdrawn') THEN n END, at,
      CASE WHEN state IN ('confirmed', 'withdrawn') THEN at + interval '5 minutes' END, at, 0, n % 4 = 0
    FROM (
      SELECT n, {campaign} AS number, now() - interval '{days} days' * (1 - n / {last}.0) AS at,
        CASE WHEN n % 100 < 80 THEN 'confirmed' WHEN n % 100 < 95 THEN
          CASE WHEN n > {last} * 0.98 THEN 'pending' ELSE 'expired' END
          WHEN n % 100 < 97 THEN 'withdrawn' WHEN n % 100 < 99 THEN 'invalidated' ELSE 'held' END AS state
      FROM generate_series(1, {last}) n
    ) made JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM campaigns) c USING (number)
"""
SUBMISSIONS = """
    INSERT INTO submissions (id, public_id, signature_id, created_at, name, email, country, postcode, comment, letter,
      show_name, updates, language, source, network, consent_wording_id)
    SELECT id, md5('s' || id), id, signed_at,
      CASE WHEN id % 50 = 0 THEN 'Anna Rossi' ELSE 'Supporter ' || id END, canonical_email,
      substr('ITITITFRESDEINUSGBKE', (id % 10)::int * 2 + 1, 2), lpad((id % 90000)::text, 5, '0'),
      CASE WHEN id % 5 = 0 THEN repeat('Something that matters to me. ', 5) ELSE '' END, '', id % 4 = 0, id % 3 = 0,
      (ARRAY['en', 'en', 'it', 'hi'])[id % 4 + 1], CASE WHEN id % 20 = 0 THEN 'import' ELSE 'web' END, '',
      (SELECT min(id) FROM consent_wordings)
    FROM signatures ORDER BY id
"""
LETTERS = """
    INSERT INTO outgoing (id, public_id, kind, subject_id, recipient_key, group_key, lane, state, not_before,
      created_at, ended_at, attempts, lease_owner, bounces, is_maybe_twice, last_step, last_answer)
    SELECT id, md5('o' || id), 'letter', id, 'official:' || (SELECT min(id) FROM officials) + id % 3,
      'campaign:' || campaign_id, 'paced', CASE WHEN id % 1000 = 0 THEN 'failed' WHEN id % 1005 = 0 THEN 'frozen'
        WHEN id > {last} * 0.97 THEN 'queued' ELSE 'sent' END, signed_at, signed_at, signed_at, 1, '', 0, false, '', ''
    FROM signatures WHERE id % {letters_from} = 0 AND state = 'confirmed' ORDER BY id
"""
WORDING = """
    INSERT INTO consent_wordings (purpose, language, version, content_hash, text, names_to_officials, created_at)
    VALUES ('sign', 'en', 1, 'bench', 'I agree', true, now())
"""
COUNTS = (
    """INSERT INTO count_buckets (campaign_id, hour, country, signatures)
       SELECT s.campaign_id, date_trunc('hour', s.confirmed_at), u.country, count(*)
       FROM signatures s JOIN submissions u ON u.id = s.submission_id WHERE s.state = 'confirmed' GROUP BY 1, 2, 3""",
    """INSERT INTO count_days (measure, campaign_id, day, value, number)
       SELECT 'country', campaign_id, hour::date, country, sum(signatures) FROM count_buckets GROUP BY 2, 3, 4""",
    """INSERT INTO count_days (measure, campaign_id, day, value, number)
       SELECT p.measure, s.campaign_id, s.confirmed_at::date, p.value, count(*)
       FROM signatures s JOIN submissions u ON u.id = s.submission_id,
       LATERAL (VALUES ('language', u.language), ('source', u.source)) p (measure, value)
       WHERE s.state = 'confirmed' GROUP BY 1, 2, 3, 4""",
    """INSERT INTO count_days (measure, campaign_id, day, value, number)
       SELECT p.measure, campaign_id, signed_at::date, '', count(*) * p.times
       FROM signatures, (VALUES ('signed', 1), ('opened', 4)) p (measure, times) GROUP BY 1, 2, 3, p.times""",
    """INSERT INTO count_days (measure, campaign_id, day, value, number)
       SELECT measure || '-m', campaign_id, date_trunc('month', day)::date, value, sum(number)
       FROM count_days GROUP BY 1, 2, 3, 4""",
    """INSERT INTO campaign_counts (campaign_id, total, removed, as_of)
       SELECT campaign_id, sum(number), 0, now() FROM count_days WHERE measure = 'source' GROUP BY 1""",
)
FILLED = ("signatures", "submissions", "outgoing")

DEFINITIONS = """
    SELECT 'ALTER TABLE ' || c.conrelid::regclass || ' DROP CONSTRAINT ' || quote_ident(c.conname),
      'ALTER TABLE ' || c.conrelid::regclass || ' ADD CONSTRAINT ' || quote_ident(c.conname) || ' '
        || pg_get_constraintdef(c.oid)
    FROM pg_constraint c WHERE c.contype = 'u' AND c.conrelid = to_regclass(:name)
    UNION ALL
    SELECT 'DROP INDEX ' || i.indexrelid::regclass, pg_get_indexdef(i.indexrelid)
    FROM pg_index i WHERE i.indrelid = to_regclass(:name)
      AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""


def fill(place: Installation, signatures: int) -> None:
    """So many signatures of `CAMPAIGNS` campaigns, which the installation must hold, and nothing else."""
    words = {
        "last": signatures,
        "days": DAYS,
        "campaign": CAMPAIGN_OF.format(campaigns=CAMPAIGNS),
        "letters_from": LETTERS_FROM,
    }
    options = (
        "-c timezone=UTC -c session_replication_role=replica -c synchronous_commit=off -c maintenance_work_mem=1GB"
    )
    engine = sa.create_engine(
        place.config.database_url, connect_args={"options": options}, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        again = []
        for name in FILLED:
            for drop, make in connection.execute(sa.text(DEFINITIONS), {"name": name}).all():
                connection.exec_driver_sql(drop)
                again.append(make)
        for statement in (WORDING, SIGNATURES, SUBMISSIONS, LETTERS):
            connection.exec_driver_sql(statement.format(**words).replace("%", "%%"))
        for statement in (*again, *COUNTS):
            connection.exec_driver_sql(statement.replace("%", "%%"))
        for name in FILLED:
            connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}")
        connection.exec_driver_sql("VACUUM ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")
    engine.dispose()


def number_of(campaign: int, signatures: int) -> int:
    """A signature in the middle of all that is of this campaign and has an address at mail7.example."""
    n = signatures // 2
    while n % 40 != 7 or n % 50 == 0 or int(CAMPAIGNS * ((n * 7919 % 1_000_003) / 1_000_003.0) ** 3) != campaign:
        n += 1
    return n
