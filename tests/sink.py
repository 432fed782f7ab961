"""A scripted SMTP server: it keeps every message, and misbehaves exactly where it is told to.

A script is a function of (step, session) that returns None to go on, a reply to give instead
("451 4.2.1 busy"), `DROP` to close the connection, or a float to wait so many seconds first.
Steps: "connect", "ehlo", "auth", "mail", "rcpt", "data", "body" (DROP alone: gone before the final dot), "dot".
`Trickle(reply, seconds)` gives a reply byte by byte, with so many seconds between two.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import partial
from typing import Any

DROP = object()


@dataclass(frozen=True)
class Trickle:
    """A reply that comes one byte at a time."""

    reply: str
    seconds: float


EXTENSIONS = ("8BITMIME", "SMTPUTF8", "SIZE 52428800", "AUTH PLAIN")


@dataclass
class Session:
    """One connection, as the script sees it."""

    number: int
    mail_from: str = ""
    rcpt: str = ""
    data: bytes = b""


@dataclass(frozen=True)
class Received:
    """A message that the server took (or took and then kept silent about)."""

    mail_from: str
    rcpt: str
    raw: bytes
    at: float

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.SMTPUTF8)  # type: ignore[return-value]

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def text(self) -> str:
        part = self.message.get_body(preferencelist=("plain",))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")


Script = Callable[[str, Session], Any]


@dataclass
class Sink:
    """A running server. `received` holds what it has, in order."""

    extensions: tuple[str, ...] = EXTENSIONS
    script: Script = lambda step, session: None
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    address: str = "127.0.0.1"
    lock: threading.Lock = field(default_factory=threading.Lock)
    _server: socketserver.ThreadingTCPServer | None = None
    _open: set[socket.socket] = field(default_factory=set)

    def to(self, address: str) -> list[Received]:
        return [mail for mail in self.received if mail.rcpt == address]

    @contextlib.contextmanager
    def running(self, port: int = 0) -> Iterator[Sink]:
        self._listen(port)
        try:
            yield self
        finally:
            self._close()

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """Nobody listens on the port meanwhile, and open conversations are cut."""
        self._close()
        with self.lock:
            for conversation in self._open:
                with contextlib.suppress(OSError):
                    conversation.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            self._listen(self.port)

    def _listen(self, port: int) -> None:
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with sink.lock:
                    sink.connections += 1
                    session = Session(sink.connections)
                    sink._open.add(self.request)
                try:
                    with contextlib.suppress(OSError):
                        _Conversation(sink, session, self.rfile, self.wfile, self.request).run()
                finally:
                    with sink.lock:
                        sink._open.discard(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server((self.address, port), Handler)
        self.port = self._server.server_address[1]
        serve = partial(self._server.serve_forever, poll_interval=0.05)
        threading.Thread(target=serve, daemon=True).start()

    def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Dropped(Exception):
    pass


@dataclass
class _Conversation:
    sink: Sink
    session: Session
    rfile: Any
    wfile: Any
    sock: socket.socket

    def run(self) -> None:
        try:
            if not self.step("connect", "220 sink ready"):
                return
            while line := self.rfile.readline(4096):
                if not self.command(line.decode("utf-8", "replace").rstrip("\r\n")):
                    return
        except _Dropped:
            return

    def say(self, reply: str) -> None:
        self.wfile.write(reply.encode() + b"\r\n")
        self.wfile.flush()

    def trickle(self, slow: Trickle) -> None:
        for byte in slow.reply.encode() + b"\r\n":
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(slow.seconds)

    def leave_saying(self, reply: str) -> None:
        """Answer and hang up in one packet: whoever has read the answer can know that we are gone."""
        self.sock.send(reply.encode() + b"\r\n", socket.MSG_MORE)
        self.sock.shutdown(socket.SHUT_WR)
        raise _Dropped

    def step(self, name: str, reply: str) -> bool:
        """Answer as the script wants, else with `reply`; whether all is well."""
        told = self.sink.script(name, self.session)
        if isinstance(told, float):
            time.sleep(told)
            told = None
        if told is DROP:
            raise _Dropped
        if isinstance(told, Trickle):
            self.trickle(told)
            return told.reply[:1] in "23"
        if isinstance(told, str):
            self.say(told)
            if told.startswith("421"):
                raise _Dropped
            return False
        if reply:
            self.say(reply)
        return True

    def command(self, line: str) -> bool:
        verb, _space, rest = line.partition(" ")
        verb = verb.upper()
        if verb in ("EHLO", "HELO"):
            extensions = "".join(f"250-{name}\r\n" for name in self.sink.extensions)
            self.step("ehlo", f"{extensions}250 sink")
        elif verb == "AUTH":
            self.step("auth", "235 2.7.0 welcome")
        elif verb == "MAIL":
            self.session.mail_from = rest.partition("<")[2].partition(">")[0]
            self.step("mail", "250 2.1.0 ok")
        elif verb == "RCPT":
            self.session.rcpt = rest.partition("<")[2].partition(">")[0]
            self.step("rcpt", "250 2.1.5 ok")
        elif verb == "DATA":
            if self.sink.script("body", self.session) is DROP:
                self.leave_saying("354 go ahead")
            if self.step("data", "354 go ahead"):
                self.data()
        elif verb == "QUIT":
            self.say("221 2.0.0 bye")
            return False
        elif verb in ("RSET", "NOOP"):
            self.say("250 2.0.0 ok")
        else:
            self.say("502 5.5.2 not here")
        return True

    def data(self) -> None:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise _Dropped
            lines.append(line[1:] if line.startswith(b".") else line)
        self.session.data = b"".join(lines)
        told = self.sink.script("dot", self.session)
        kept = Received(self.session.mail_from, self.session.rcpt, self.session.data, time.monotonic())
        if isinstance(told, str):
            self.say(told)
            return
        with self.sink.lock:
            self.sink.received.append(kept)
        if told is DROP:
            raise _Dropped
        if isinstance(told, Trickle):
            self.trickle(told)
            return
        if isinstance(told, float):
            time.sleep(told)
        self.say("250 2.0.0 taken")
