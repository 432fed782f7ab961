"""A site with content and some signatures, and the words that are right on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from actionkit import create_app, db
from actionkit.security import make_token
from actionkit.signing.models import Signature, Submission
from tests.conftest import CONTENT, make_config, sign_form
from tests.journeys.product import Product, product

SLUGS = ["italy-water", "clean-water", "river-people", "won", "it", "2021"]


@contextlib.contextmanager
def fuzzed_site(folder: Path) -> Iterator[tuple[Product, list[str]]]:
    """(the product, running; slugs and genuine tokens)"""
    with product(folder, SIGN_LIMIT="30 per 5 minutes", PAGE_CACHE_SECONDS="5", MEMORY_SECONDS="2") as site:
        site.command("content", "load", str(CONTENT))
        site.start_web()
        for n in range(5):
            site.post("/campaigns/italy-water/sign", sign_form(email=f"first{n}@example.org"))
        yield site, SLUGS + _tokens(folder)


def _tokens(folder: Path) -> list[str]:
    app = create_app(make_config(folder))
    with app.app_context():
        tokens = [make_token("confirm", row.public_id, row.created_at) for row in db.session.query(Submission)]
        tokens += [make_token("withdraw", row.public_id, row.signed_at) for row in db.session.query(Signature)]
    db.close(app)
    return tokens
