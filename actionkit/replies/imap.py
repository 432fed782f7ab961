"""A mailbox at a provider (IMAP4rev1, RFC 3501) as a place where mail comes in: seen only when it is stored."""

from __future__ import annotations

import contextlib
import datetime as dt
import imaplib
import ssl
from collections.abc import Iterator
from typing import Any

from actionkit.replies.intake import MOST_BYTES
from config import Config

SECONDS = 30
"""How long to wait for any answer."""
MOST_MAILS = 100
"""In one run of the job."""
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class MailboxAway(Exception):
    """The server cannot be reached or refuses us; nothing is lost, what is there stays there."""


class Mailbox:
    """An open mailbox. Errors of any step are `MailboxAway`, without what the server said."""

    def __init__(self, server: imaplib.IMAP4) -> None:
        self._server = server

    def _ask(self, command: str, *words: str) -> list[Any]:
        status, answer = self._server.uid(command, *words)
        if status != "OK":
            raise MailboxAway(f"{command} was refused")
        return answer

    def _search(self, *words: str) -> list[str]:
        (found,) = self._ask("SEARCH", *words)[:1] or [b""]
        return (found or b"").decode("ascii").split()

    def look(self) -> int:
        """How many mails nobody has taken yet."""
        return len(self._search("UNSEEN", "UNDELETED"))

    def new_mails(self) -> Iterator[tuple[str, bytes]]:
        """(uid, bytes) of what nobody has taken yet. To fetch does not mark it."""
        for uid in self._search("UNSEEN", "UNDELETED")[:MOST_MAILS]:
            for part in self._ask("FETCH", uid, f"(BODY.PEEK[]<0.{MOST_BYTES + 1}>)"):
                if isinstance(part, tuple):
                    yield uid, part[1]

    def mark_taken(self, uid: str) -> None:
        self._ask("STORE", uid, "+FLAGS.SILENT", r"(\Seen)")

    def delete_old(self, age: dt.timedelta, today: dt.date) -> int:
        """Delete what was taken so long ago; how many mails. The mailbox is ours alone: see docs/replies.md."""
        day = today - age
        old = self._search("SEEN", "BEFORE", f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}")[:MOST_MAILS]
        for uid in old:
            self._ask("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
        if old:
            self._server.expunge()
        return len(old)


@contextlib.contextmanager
def opened(config: Config) -> Iterator[Mailbox]:
    """Sign in and select the folder. Raises `MailboxAway`, in the block too."""
    server: imaplib.IMAP4 | None = None
    try:
        server = _connect(config)
        server.login(config.incoming_imap_username, config.incoming_imap_password)
        status, _answer = server.select(f'"{config.incoming_imap_folder}"')
        if status != "OK":
            raise MailboxAway("there is no such folder")
        yield Mailbox(server)
    except (imaplib.IMAP4.error, OSError) as error:
        raise MailboxAway(type(error).__name__) from None
    finally:
        if server is not None:
            with contextlib.suppress(imaplib.IMAP4.error, OSError):
                server.logout()


def _connect(config: Config) -> imaplib.IMAP4:
    if not config.incoming_imap_use_ssl:
        return imaplib.IMAP4(config.incoming_imap_server, config.incoming_imap_port, timeout=SECONDS)
    return imaplib.IMAP4_SSL(
        config.incoming_imap_server,
        config.incoming_imap_port,
        ssl_context=ssl.create_default_context(cafile=config.mail_ca_file or None),
        timeout=SECONDS,
    )
