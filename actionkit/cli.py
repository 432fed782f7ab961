"""Commands: parse, call one operation, commit, print. Standard output has the result alone."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from actionkit import addresses, db, doctor, freshness, jobs, logs, migrations, serve, worker_process
from actionkit.campaigns.models import VersionCause
from actionkit.campaigns.operations import find_campaign
from actionkit.content import load as content_load
from actionkit.content.fields import ContentFault
from actionkit.delivery import dkim, sending_pause
from actionkit.delivery.messages import sender_domain
from actionkit.drain import do_what_is_due
from actionkit.errors import ActionError
from actionkit.exports import signatures_csv
from actionkit.officials import importing, reading
from actionkit.officials.files import LARGEST_FILE, FileRefused
from actionkit.officials.sheets import NOUNS, Kind
from actionkit.replies import intake
from actionkit.replies.models import IncomingSource
from actionkit.security import absolute_url
from actionkit.signing import counting
from actionkit.signing.models import SignatureState
from actionkit.staff import audit, second_factor
from actionkit.staff import operations as staff_operations
from actionkit.staff.models import StaffRole
from actionkit.upkeep import backup, erasure, journal, replay
from config import SettingError


class Failed(click.ClickException):
    """A command that could not do what was asked: one line on standard error, exit status 1."""

    def show(self, file: object = None) -> None:
        click.echo(f"actionkit: {self.message}", err=True)


def _campaign_id(slug: str) -> int:
    try:
        return find_campaign(slug).id
    except Exception:
        raise Failed(f"there is no campaign '{slug}'") from None


# ---------------------------------------------------------------- database, content

database = AppGroup("db", help="The database.")
content = AppGroup("content", help="Programs, campaigns and letters from files.")


@database.command("upgrade")
def upgrade_database() -> None:
    """Make the database, or bring it to the newest schema."""
    before, now = migrations.upgrade()
    click.echo(f"database is at {now}" if before == now else f"database upgraded from {before or 'nothing'} to {now}")


@content.command("load")
@click.argument("directory", type=click.Path(path_type=Path))
def load_content(directory: Path) -> None:
    """Create or update what DIRECTORY describes; never deletes."""
    try:
        totals = content_load.load(directory)
    except ContentFault as fault:
        db.session.rollback()
        raise Failed(str(fault)) from None
    db.session.commit()
    freshness.published()
    click.echo("loaded " + ", ".join(f"{n} {kind}" for kind, n in totals.items()))


# ---------------------------------------------------------------- staff, officials

staff = AppGroup("staff", help="Accounts behind the desk.")
officials = AppGroup("officials", help="Who is written to.")


@staff.command("add")
@click.argument("email")
@click.option("--role", type=click.Choice([str(role) for role in StaffRole]), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--campaign", "slugs", multiple=True, metavar="SLUG", help="Only for this campaign; may be repeated.")
def add_staff(email: str, role: str, password_stdin: bool, slugs: tuple[str, ...]) -> None:
    """Make an account, or give an existing one the role. Prints a one-time sign-in link."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    campaign_ids = [_campaign_id(slug) for slug in slugs]
    try:
        member = staff_operations.add_staff(email, StaffRole(role), password, campaign_ids)
    except (ActionError, ValueError) as fault:
        db.session.rollback()
        raise Failed(getattr(fault, "description", None) or str(fault)) from None
    if password is not None:
        db.session.commit()
        click.echo(f"{member.email} is {role}; sign in at {absolute_url('/staff/sign-in')}")
        return
    link = absolute_url(staff_operations.new_sign_in_link(member))
    db.session.commit()
    click.echo(link)


@staff.command("reset-second-factor")
@click.argument("email")
def reset_second_factor(email: str) -> None:
    """Take a second factor away whose owner has lost everything, and end her sessions. A mail tells her."""
    member = staff_operations.find_staff(email)
    if member is None:
        raise Failed(f"there is no account {email}")
    second_factor.reset(member)
    db.session.commit()
    click.echo(f"{member.email} has no second factor now")


def _beginning(file: Path) -> bytes:
    """A file, or of one that is too large as much as shows it."""
    with file.open("rb") as opened:
        return opened.read(LARGEST_FILE + 1)


@officials.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--campaign", "slug", required=True, metavar="SLUG")
@click.option("--dry-run", is_flag=True, help="Read and check only.")
@click.option("--only-good", is_flag=True, help="Leave faulty entries out, and take the others.")
@click.option("--language", default="", metavar="TAG", help="Of officials for whom the file says none, such as it.")
def import_officials(file: Path, slug: str, dry_run: bool, only_good: bool, language: str) -> None:
    """Take officials from a file into a campaign: all of them, or none where an entry has a fault.

    FILE is a table (CSV), Popolo JSON, or YAML of unitedstates/congress-legislators.
    """
    campaign_id = _campaign_id(slug)
    try:
        sheet = reading.open_sheet(_beginning(file))
    except FileRefused as fault:
        raise Failed(str(fault.description)) from None
    plan = importing.compare(reading.read(sheet, replace(reading.guess(sheet), language=language)))
    for each in plan.faults:
        click.echo(each.line(sheet.kind))
    if left_out := len(plan.read.without_address) if sheet.kind is not Kind.CSV else 0:
        click.echo(f"{left_out} have no e-mail address in the file, and are left out")
    if plan.faults and not only_good:
        faulty = plan.numbers["faulty"]
        raise Failed(f"{faulty} of {sheet.count} {NOUNS[sheet.kind]}s have faults; nothing was stored")
    if not dry_run:
        done = importing.store(plan, find_campaign(slug), VersionCause.LOADED)
        audit.record("import-officials", slug, campaign=campaign_id, **done.numbers)
        db.session.commit()
        freshness.published()
    click.echo(f"{len(plan.lines)} officials {'would be ' if dry_run else ''}imported into {slug}")


# ---------------------------------------------------------------- mail

mail = AppGroup("mail", help="Mail that comes in.")


@mail.command("receive")
@click.option("--recipient", default="", metavar="ADDRESS", help="Whom the mail server has it for.")
@click.pass_context
def receive_mail(context: click.Context, recipient: str) -> None:
    """Store one mail from standard input: what a mail server pipes reports and answers to.

    Ends with 0 once it is stored. Otherwise with 75 (EX_TEMPFAIL), so that the mail server keeps it and
    tries again, or with 65 (EX_DATAERR) where there was no mail.
    """
    raw = sys.stdin.buffer.read(intake.MOST_BYTES + 1)
    while sys.stdin.buffer.read(1_000_000):
        pass  # too large to be kept whole; a mail server does not like to be hung up on
    if not raw.strip():
        context.exit(os.EX_DATAERR)
    try:
        intake.store(raw, IncomingSource.PIPE, recipient)
        db.session.commit()
    except Exception as error:
        click.echo(f"actionkit: not stored ({type(error).__name__}); please try again later", err=True)
        context.exit(os.EX_TEMPFAIL)


# ---------------------------------------------------------------- signatures on mails

dkim_commands = AppGroup("dkim", help="Signing mails in the name of your domain.")


@dkim_commands.command("key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--domain", default="", metavar="DOMAIN", help="Else that of ACTIONKIT_DKIM_DOMAIN, or of the sender.")
@click.option("--selector", default="", metavar="NAME", help="Else that of ACTIONKIT_DKIM_SELECTOR, or 'actionkit'.")
@click.option("--ed25519", "is_ed25519", is_flag=True, help="A short, new kind of key, which not all receivers know.")
def make_dkim_key(file: Path, domain: str, selector: str, is_ed25519: bool) -> None:
    """Make a key pair in FILE, for ACTIONKIT_DKIM_KEY_FILE, and print the DNS record to publish."""
    config = current_app.config["ACTIONKIT"]
    domain = domain or config.dkim_domain or sender_domain()
    try:
        key = dkim.make_key(file, is_ed25519=is_ed25519)
    except OSError as fault:
        raise Failed(f"no key was made: {fault.strerror}") from None
    click.echo(str(dkim.record_of(key, domain, selector or config.dkim_selector or "actionkit")))


# ---------------------------------------------------------------- work


@click.command("worker")
@click.option("--drain", is_flag=True, help="Do everything that is due now, then end.")
@with_appcontext
def worker(drain: bool) -> None:
    """Run all jobs until SIGTERM."""
    try:
        current_app.config["ACTIONKIT"].refuse_unsafe()
    except SettingError as fault:
        raise Failed(str(fault)) from None
    logs.to_stderr()
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    if drain:
        totals = do_what_is_due(app)
        click.echo(", ".join(f"{n} {what}" for what, n in sorted(totals.items())))
        return
    sys.exit(worker_process.run(app, worker_process.Signals()))


# ---------------------------------------------------------------- people who are to be forgotten


@click.command("erase")
@click.argument("email")
@click.option("--uncount", is_flag=True, help="The person takes her signatures back too: they no longer count.")
@click.option("--dry-run", is_flag=True, help="Only say what there is.")
@with_appcontext
def erase(email: str, uncount: bool, dry_run: bool) -> None:
    """Erase the person with this address, for good. With - it is read from standard input: others see arguments."""
    try:
        address = addresses.canonical((sys.stdin.readline() if email == "-" else email).strip())
    except addresses.AddressInvalid as fault:
        raise Failed(f"this is no e-mail address: {fault}") from None
    if dry_run:
        db.reading()
        found = erasure.count(address)
    else:
        try:
            found = erasure.erase(address, uncount=uncount)
        except OSError as fault:
            db.session.rollback()
            raise Failed(f"nothing was erased: the journal cannot be written ({fault.strerror})") from None
        db.session.commit()
    click.echo(
        f"{'there are' if dry_run else 'erased:'} {found.signatures:,} signatures in {found.campaigns:,} campaigns, "
        f"{found.unsent_letters:,} letters and {found.unsent_mails:,} mails not sent yet, "
        f"{found.entries:,} entries of lists"
    )
    if not found.is_any and not dry_run:
        click.echo("nothing was stored; a backup that holds this person will be erased after a restore")


erase_journal = AppGroup("erase-journal", help="Who was erased, to be kept with the backups.")


@erase_journal.command("export")
def export_journal() -> None:
    """The journal of all machines on standard output."""
    db.reading()
    for line in sorted(replay.everywhere()):
        click.echo(str(line))


@erase_journal.command("import")
@click.argument("file", type=click.File())
def import_journal(file: TextIO) -> None:
    """Add the lines of FILE (- for standard input) to this machine's journal, and erase again whom they name."""
    try:
        lines = journal.parse(file.read()) - journal.read()
    except journal.NotAJournal as fault:
        raise Failed(str(fault)) from None
    if lines:
        journal.append(lines)
    again = jobs.keep_erased(current_app.extensions["delivery_worker"])
    click.echo(f"{len(lines):,} lines are new; {again:,} persons were erased again")
    if unreadable := replay.missing().unreadable:
        raise Failed(
            f"{len(unreadable):,} lines are under another key: put the ACTIONKIT_SECRET_KEY of then into "
            "ACTIONKIT_SECRET_KEY_FALLBACKS"
        )


# ---------------------------------------------------------------- backups, and after them


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@with_appcontext
def back_up(file: Path) -> None:
    """Copy a SQLite database to FILE while it is in use. The secret key and the erase journal are not in it."""
    config = current_app.config["ACTIONKIT"]
    if not config.is_sqlite:
        raise Failed("this installation is on PostgreSQL: pg_dump backs it up, see docs/backup.md")
    try:
        size = backup.copy(config.database_file, file)
    except backup.Unusable as fault:
        raise Failed(f"no backup was made: {fault}") from None
    click.echo(f"{size:,} bytes in {file}")


sending = AppGroup("sending", help="Whether mail leaves at all.")


@sending.command("status")
def sending_status() -> None:
    """Whether sending is paused and why, and what waits."""
    db.reading()
    pause, waiting = sending_pause.current(), sending_pause.waiting()
    if pause is None:
        click.echo("mails leave")
    elif pause.is_after_restore:
        click.echo(f"paused since {pause.since:%Y-%m-%d %H:%M} UTC: this database is a restored copy")
        click.echo(f"before that it last sent mails at {pause.last_sent_at:%Y-%m-%d %H:%M} UTC")
    else:
        click.echo(f"paused since {pause.since:%Y-%m-%d %H:%M} UTC by staff")
    click.echo(f"{waiting.due:,} mails are due, {waiting.later:,} are for later")
    if waiting.old:
        click.echo(f"{waiting.old:,} of them are from before the restore and may have left since the backup was made")


@sending.command("pause")
def pause_sending() -> None:
    """Let nothing leave until `sending resume`. Mails wait, and signing goes on."""
    is_new = sending_pause.pause()
    if is_new:
        audit.record("pause-sending", "sending")
    db.session.commit()
    click.echo("sending is paused" if is_new else "sending was paused already")


@sending.command("resume")
@click.option("--send-old", "old", flag_value="send", help="Send what waits from before a restore, perhaps twice.")
@click.option("--cancel-old", "old", flag_value="cancel", help="Cancel it, perhaps without it ever having left.")
def resume_sending(old: str | None) -> None:
    """Let mails leave again. After a restore, say what becomes of those that it brought back."""
    try:
        cancelled = sending_pause.resume(send_old=None if old is None else old == "send")
    except sending_pause.OldMailsWait:
        db.session.rollback()
        number = sending_pause.waiting().old
        raise Failed(
            f"{number:,} mails are from before the restore and may have left since the backup was made; "
            "say --send-old or --cancel-old"
        ) from None
    if cancelled is not None:
        audit.record("resume-sending", "sending", old=old or "none", cancelled=cancelled)
    db.session.commit()
    if cancelled is None:
        click.echo("sending was not paused")
    else:
        click.echo("mails leave again" + (f"; {cancelled:,} were cancelled" if cancelled else ""))


@click.command("recount")
@click.argument("slug", required=False)
@with_appcontext
def recount(slug: str | None) -> None:
    """Count again from the signatures; print and repair any difference."""
    if slug is not None:
        _campaign_id(slug)
    differences = counting.recount(slug)
    db.session.commit()
    for found in differences:
        click.echo(
            f"{found.slug}: stored {found.stored}, counted {found.counted}, "
            f"{found.wrong_buckets} wrong buckets, {found.wrong_days} wrong days, "
            f"removed: stored {found.stored_removed}, counted {found.counted_removed}; repaired"
        )
    if not differences:
        click.echo("no difference")


export = AppGroup("export", help="Signatures as files.")


@export.command("signatures")
@click.argument("slug")
@click.option(
    "--state", type=click.Choice([str(s) for s in signatures_csv.STATES]), default=str(SignatureState.CONFIRMED)
)
@click.option("--bom", is_flag=True, help="Begin with a byte order mark, for older spreadsheets.")
def export_signatures(slug: str, state: str, bom: bool) -> None:
    """The signatures of a campaign as CSV on standard output."""
    campaign_id = _campaign_id(slug)
    audit.record("export-signatures", slug, state=state)
    db.session.commit()
    db.reading()  # a long export must not hold the one place where writers queue
    with db.snapshot() as connection:
        for part in signatures_csv.stream(connection, campaign_id, state, bom=bom):
            sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


@click.command("doctor")
@with_appcontext
def doctor_command() -> None:
    """Check settings, database, mail relay, DNS records, clock and files; exit status 1 with a line per fault.

    What no name server answers is said on standard error and is no fault.
    """
    config = current_app.config["ACTIONKIT"]
    in_dns, unknown = doctor.ask_dns(config)
    faults = [*doctor.examine(config), *in_dns]
    for fault in faults:
        click.echo(fault)
    if unknown:
        click.echo(unknown, err=True)
    if faults:
        sys.exit(1)
    click.echo("all is well")


@click.command("run")
@click.option("--content", "folder", type=click.Path(path_type=Path), help="What to load on first start.")
@with_appcontext
def run(folder: Path | None) -> None:
    """Upgrade the database, then run web and worker together until Ctrl-C."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    sys.exit(serve.run(app, folder))


def init_app(app: Flask) -> None:
    for command in (
        database,
        content,
        staff,
        officials,
        mail,
        dkim_commands,
        worker,
        sending,
        erase,
        erase_journal,
        back_up,
        recount,
        export,
        doctor_command,
        run,
    ):
        app.cli.add_command(command)
