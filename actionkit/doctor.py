"""`actionkit doctor`: is this installation able to keep its promises? One clear line per fault."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import dns.resolver
import sqlalchemy as sa
import sqlalchemy.exc
from flask import current_app

from actionkit import db, migrations
from actionkit.delivery import dkim, dns_records, groups, recipients, relay, restored_copy, sending_pause
from actionkit.delivery.messages import sender_domain
from actionkit.delivery.smtp import Connection, SendError, Step
from actionkit.replies import imap
from actionkit.staff import audit_chain
from actionkit.upkeep import replay
from config import Config

LEAST_FREE_BYTES = 200_000_000
LARGEST_CLOCK_DIFFERENCE = 5.0


def examine(config: Config) -> list[str]:
    """Every fault found, a line each; empty when all is well."""
    checks: tuple[Callable[[Config], Iterator[str]], ...] = (
        _settings,
        _files,
        _database,
        _sending,
        _erased,
        _audit,
        _relay,
        _incoming,
    )
    return [fault for check in checks for fault in check(config)]


def _settings(config: Config) -> Iterator[str]:
    yield from (f"settings: {fault}" for fault in config.unsafe() or config.dkim_faults())


def _files(config: Config) -> Iterator[str]:
    if not config.instance.is_dir():
        yield f"files: the instance folder {config.instance} is missing"
        return
    if not os.access(config.instance, os.W_OK):
        yield f"files: the instance folder {config.instance} cannot be written"
    if shutil.disk_usage(config.instance).free < LEAST_FREE_BYTES:
        yield "files: less than 200 MB are free where the instance folder is"
    secret = config.instance / "secret_key"
    if secret.exists() and secret.stat().st_mode & 0o077:
        yield "files: secret_key can be read by others (chmod 600)"


def _database(config: Config) -> Iterator[str]:
    try:
        revision = migrations.current()
        if revision != migrations.newest():
            yield f"database: is at {revision or 'nothing'}, needs {migrations.newest()} (actionkit db upgrade)"
            return
        if config.is_sqlite:
            if db.session.execute(sa.text("PRAGMA quick_check")).scalar_one() != "ok":
                yield "database: the SQLite file is damaged (PRAGMA quick_check)"
        else:
            its_now = db.session.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
            if abs(float(its_now) - db.now().timestamp()) > LARGEST_CLOCK_DIFFERENCE:
                yield "clock: this machine and the database differ by more than 5 seconds"
    except (sqlalchemy.exc.DBAPIError, OSError) as error:
        yield f"database: does not answer ({type(error).__name__})"
    if db.now().year < 2026:
        yield "clock: this machine believes it is before 2026"


def _sending(_config: Config) -> Iterator[str]:
    try:
        if pause := sending_pause.current():
            yield f"sending: paused since {pause.since:%Y-%m-%d %H:%M} UTC (actionkit sending status)"
        elif restored_copy.is_copy():
            yield "sending: this database is a restored copy; a worker will pause all sending when it starts"
        if trouble := relay.stops_sending():
            said = f"at {trouble.step}: {trouble.answer}".rstrip(": ")
            who = "mails cannot be signed" if trouble.step == Step.SIGN else "the mail server failed"
            yield f"sending: rests since {trouble.since:%Y-%m-%d %H:%M} UTC, {who} {said}"
        for key, rest in groups.paused().items():
            why = f"five letters in a row were refused: {rest.because}" if rest.because else "by staff"
            yield f"sending: {key} is paused since {rest.since:%Y-%m-%d %H:%M} UTC, {why}"
        if suspended := recipients.count_suspended():
            yield f"sending: {suspended} addresses refuse our letters and are suspended (see Delivery behind the desk)"
    except sqlalchemy.exc.DBAPIError:
        return  # `_database` has said why


def _erased(_config: Config) -> Iterator[str]:
    try:
        missing = replay.missing()
    except sqlalchemy.exc.DBAPIError:
        return  # `_database` has said why
    except (OSError, ValueError) as error:
        yield f"erase journal: cannot be read ({type(error).__name__})"
        return
    if missing.readable:
        yield f"erase journal: {len(missing.readable)} erasures are not done in this database; a worker does them"
    if missing.unreadable:
        yield (
            f"erase journal: {len(missing.unreadable)} erasures were written under a key that is neither "
            "ACTIONKIT_SECRET_KEY nor one of its fallbacks, and cannot be done again"
        )


def _audit(_config: Config) -> Iterator[str]:
    try:
        yield from (f"audit trail: {fault}" for fault in audit_chain.faults())
    except sqlalchemy.exc.DBAPIError:
        return  # `_database` has said why


def _relay(config: Config) -> Iterator[str]:
    if config.mail_folder is not None:
        if config.is_production:
            yield "mail: ACTIONKIT_MAIL_SERVER is not set, so mails are only written to files"
        return
    connection = Connection(current_app.extensions["mail"])
    try:
        connection.open()
    except SendError as error:
        yield f"mail: the relay fails at {error.step}: {error.code or ''} {error.answer}".rstrip()
    finally:
        connection.close()


def ask_dns(config: Config, resolver: dns.resolver.Resolver | None = None) -> tuple[list[str], str]:
    """(the faults of our domains' records, what could not be found out); both empty when all is well."""
    sender = sender_domain()
    if config.mail_folder is not None or not dns_records.is_public(sender):
        return [], ""
    found: list[str] = []
    domains = dns_records.Domains(
        sender,
        config.mail_bounce_address.rpartition("@")[2] or sender,
        config.mail_reply_address.rpartition("@")[2],
        config.mail_server,
    )
    try:
        key = dkim.own_record()
    except (OSError, ValueError):
        key = None  # `_settings` has said why
    try:
        for fault in dns_records.faults(domains, key, resolver or dns_records.make_resolver()):
            found.append(fault)
    except dns_records.Unknown as silence:
        return found, f"dns: not known: {silence}; nothing is said about the records that were not asked for"
    return found, ""


def _incoming(config: Config) -> Iterator[str]:
    maildir = config.incoming_maildir
    if maildir is not None:
        for name in ("new", "cur"):
            if not os.access(maildir / name, os.R_OK | os.W_OK | os.X_OK):
                yield f"incoming mail: {maildir / name} is missing, or cannot be read and written"
    if config.incoming_imap_server:
        try:
            with imap.opened(config) as mailbox:
                mailbox.look()
        except imap.MailboxAway as error:
            yield f"incoming mail: the mailbox at {config.incoming_imap_server} fails ({error})"
    has_way_in = maildir is not None or config.incoming_imap_server
    if has_way_in and not (config.mail_bounce_address or config.mail_reply_address):
        yield "incoming mail: neither ACTIONKIT_MAIL_BOUNCE_ADDRESS nor _REPLY_ADDRESS is set, so hardly any will come"
