"""Mail without a relay: every message is a file, `<id>.eml`, in the instance's mail folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import flask_mail

from actionkit.delivery.messages import OutgoingMessage


class MailFolder:
    """Stands in for a connection. A message written twice is one file: its name is its id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def deliver(self, message: OutgoingMessage) -> str:
        if message.has_bad_headers():
            raise flask_mail.BadHeaderError
        self.folder.mkdir(parents=True, exist_ok=True)
        name = message.message_id.strip("<>").partition("@")[0]
        draft = self.folder / f".{name}.{secrets.token_hex(4)}"
        with draft.open("wb") as out:
            out.write(message.as_bytes())
            out.flush()
            os.fsync(out.fileno())
        draft.rename(self.folder / f"{name}.eml")
        return "written to the mail folder"

    def close(self) -> None:
        """Nothing stays open."""

    def cut(self) -> None:
        """Nothing is waited for."""
