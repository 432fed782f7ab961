"""The `actionkit` command: the same as `flask --app wsgi`, with settings from the environment."""

from __future__ import annotations

import sys

from flask import Flask
from flask.cli import FlaskGroup

from actionkit import create_app
from config import Config, SettingError


def _make_app() -> Flask:
    try:
        return create_app(Config.from_env())
    except SettingError as fault:
        sys.exit(f"actionkit: {fault}")


def main() -> None:
    FlaskGroup(
        name="actionkit",
        create_app=_make_app,
        add_default_commands=False,
        add_version_option=False,
        load_dotenv=False,
        help="Petitions and letters to officials.",
    ).main(prog_name="actionkit")


if __name__ == "__main__":
    main()
