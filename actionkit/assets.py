"""Style sheets and scripts: served by WhiteNoise under a name that changes with their content.

`/static/<fingerprint>/site.css` may be kept for ever; a page that was open during an upgrade and
asks for the old name is sent to the new one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Flask, Response
from werkzeug.exceptions import NotFound
from whitenoise import WhiteNoise

from actionkit import redirects

FOLDER = Path(__file__).resolve().parent / "static"


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(folder).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def init_app(app: Flask) -> None:
    fingerprint = _fingerprint(FOLDER)
    names = {file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*") if file.is_file()}
    app.jinja_env.globals["asset"] = lambda name: f"/static/{fingerprint}/{name}"
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        app.wsgi_app,
        root=str(FOLDER),
        prefix=f"static/{fingerprint}/",
        max_age=WhiteNoise.FOREVER,
        immutable_file_test=lambda _path, _url: True,
        allow_all_origins=False,
        add_headers_function=lambda headers, _path, _url: headers.add_header("X-Content-Type-Options", "nosniff"),
    )

    @app.get("/static/<_version>/<path:name>", endpoint="static")
    def static(_version: str, name: str) -> Response:
        if name not in names:  # and ask no file system, which knows names that are too long to ask for
            raise NotFound
        return redirects.to(f"/static/{fingerprint}/{name}")

    @app.get("/favicon.ico")
    def favicon() -> Response:
        return redirects.to(f"/static/{fingerprint}/favicon.svg")
