"""`make run`: web and worker together, each started again when it dies, all ended by Ctrl-C.

Both stay in this process's group, so that a signal to the group reaches all of them.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import click
import sqlalchemy as sa
from flask import Flask

from actionkit import db, migrations
from actionkit.campaigns.models import Program
from actionkit.content.load import load
from actionkit.security import absolute_url
from actionkit.staff.models import StaffRole
from actionkit.staff.operations import add_staff, new_sign_in_link
from config import Config

FIRST_STAFF = "admin@localhost.example"
RESTART_SECONDS = 1.0
STOP_SECONDS = 32.0


def run(app: Flask, content: Path | None) -> int:
    """Prepare, start, watch; returns the exit status when asked to stop."""
    config: Config = app.config["ACTIONKIT"]
    port = config.port
    if _is_taken(port):
        click.echo(f"actionkit: port {port} is in use; PORT=8080 make run takes another", err=True)
        return 1
    migrations.upgrade()
    link = _first_start(content)
    db.close(app)

    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)

    commands = {"web": _web(port), "worker": [sys.executable, "-m", "actionkit", "worker"]}
    running = {name: subprocess.Popen(command) for name, command in commands.items()}
    _wait_until_open(port)
    _say(config, link)
    while not stopping:
        for name, process in running.items():
            if process.poll() is not None and not stopping:
                click.echo(f"actionkit: {name} ended with {process.returncode}; starting it again", err=True)
                time.sleep(RESTART_SECONDS)
                running[name] = subprocess.Popen(commands[name])
        time.sleep(0.2)
    return _stop(running)


def _web(port: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "python:actionkit.gunicorn_settings",
        "--bind",
        f"127.0.0.1:{port}",
        "wsgi:app",
    ]


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _first_start(content: Path | None) -> str | None:
    """On an empty database: load the sample content, make an account; its one-time link."""
    db.reading()
    is_filled = db.session.scalar(sa.select(Program.id).limit(1)) is not None
    db.writing()  # and no transaction is left open: this process lives as long as the site
    if is_filled or content is None:
        return None
    load(content)
    member = add_staff(FIRST_STAFF, StaffRole.ADMIN)
    link = absolute_url(new_sign_in_link(member))
    db.session.commit()
    return link


def _wait_until_open(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)


def _say(config: Config, link: str | None) -> None:
    lines = [f"actionkit is running at {config.base_url}/"]
    if config.mail_folder is not None:
        lines.append(f"  its mails:  {config.base_url}/dev/mail/")
    lines.append(f"  the desk:   {config.base_url}/staff/")
    if link:
        lines.append(f"  first account: {FIRST_STAFF}, sign in once with (valid for an hour):")
        lines.append(f"  {link}")
    else:
        lines.append("  a new sign-in link: .venv/bin/actionkit staff add EMAIL --role admin")
    lines.append("Ctrl-C stops it.")
    click.echo("\n".join(lines))


def _stop(running: dict[str, subprocess.Popen[bytes]]) -> int:
    for process in running.values():
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in running.values():
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
    click.echo("actionkit has stopped")
    return 0
