"""A mailbox at a provider: as much of an IMAP server (RFC 3501) as our client asks for, and it can hang up."""

from __future__ import annotations

import contextlib
import re
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

PASSWORD = "a password"


@dataclass
class MailboxServer:
    """Mails by uid, with the flags that clients set. With `hangs_up_at` it leaves at that command."""

    mails: dict[int, bytes] = field(default_factory=dict)
    flags: dict[int, set[str]] = field(default_factory=dict)
    hangs_up_at: str = ""
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def add(self, raw: bytes) -> int:
        uid = len(self.mails) + 1
        self.mails[uid] = raw
        self.flags[uid] = set()
        return uid

    @contextlib.contextmanager
    def running(self) -> Iterator[MailboxServer]:
        mailbox = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"* OK ready\r\n")
                while line := self.rfile.readline().decode():
                    tag, _blank, command = line.strip().partition(" ")
                    if mailbox.hangs_up_at and command.upper().startswith(mailbox.hangs_up_at):
                        return
                    for reply in mailbox.answer(command):
                        self.wfile.write(reply.replace(b"TAG", tag.encode(), 1))
                    if command.upper() == "LOGOUT":
                        return

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        with Server(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def answer(self, command: str) -> list[bytes]:
        done = [b"TAG OK done\r\n"]
        words = command.split()
        self.asked.append(command)
        match [word.upper() for word in words]:
            case ["CAPABILITY"]:
                return [b"* CAPABILITY IMAP4rev1\r\n", *done]
            case ["LOGIN", *_]:
                return done if command.endswith(f'"{PASSWORD}"') else [b"TAG NO wrong password\r\n"]
            case ["SELECT", *_]:
                return [b"* %d EXISTS\r\n" % len(self.mails), *done]
            case ["UID", "SEARCH", *criteria]:
                wants_seen = criteria[0] == "SEEN"
                found = [uid for uid in self.mails if ("\\Seen" in self.flags[uid]) == wants_seen]
                return [f"* SEARCH {' '.join(map(str, found))}\r\n".encode(), *done]
            case ["UID", "FETCH", uid, *_]:
                raw = self.mails[int(uid)]
                return [b"* 1 FETCH (UID %s BODY[]<0> {%d}\r\n" % (uid.encode(), len(raw)), raw, b")\r\n", *done]
            case ["UID", "STORE", uid, *_]:
                self.flags[int(uid)] |= set(re.findall(r"\\\w+", command))
                return done
            case ["EXPUNGE"]:
                for uid in [uid for uid in self.mails if "\\Deleted" in self.flags[uid]]:
                    del self.mails[uid]
                return done
            case ["LOGOUT"]:
                return [b"* BYE\r\n", *done]
            case _:
                return [b"TAG BAD what\r\n"]
