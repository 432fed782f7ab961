"""Storing a content directory: what it describes is created or updated, nothing is deleted.

The same directory loaded twice leaves the database as after the first time.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from actionkit import db
from actionkit.content import store
from actionkit.content.reader import read_directory
from actionkit.letters.operations import set_zones, stop_where_reported


def load(folder: Path) -> Counter[str]:
    """Read and store a directory; how many records of each kind it describes.

    Raises `ContentFault`; the caller commits all of it or none.
    """
    content = read_directory(folder)
    for program in content.programs:
        store.store_program(program)
    officials = [store.store_official(official) for official in content.officials]
    db.session.flush()
    set_zones(officials)
    for campaign in content.campaigns:
        store.store_campaign(campaign)
    db.session.flush()
    stop_where_reported()
    for update in content.updates:
        store.store_update(update)
    for story in content.stories:
        store.store_story(story)
    for resource in content.resources:
        store.store_resource(resource)
    db.session.flush()
    return Counter({kind: len(records) for kind, records in vars(content).items()})
