"""A gunicorn worker that lets slow clients wait without a thread, and says 503 early.

gunicorn's own gthread worker gives a connection to a thread at its first byte; sixteen clients
that send a byte every few seconds then hold all threads of two processes. Here a request is
given to a thread when all of it has arrived in the kernel's buffer, and a client that has not
sent it within twenty seconds is cut off (slowloris).

When more requests wait for a thread than can be answered in some seconds, the next ones get 503
at once from the loop that accepts them, which costs next to nothing, instead of an answer that
comes when nobody waits for it any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import selectors
import socket
import struct
import termios
import time
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

ARRIVE_WITHIN_SECONDS = 20
LARGEST_HEAD = 65_536
"""Bytes. gunicorn refuses a longer one, so it need not be waited for."""
LARGEST_WAITED_FOR = 1_100_000
"""Bytes of head and body. The application takes a megabyte and says so itself; more is refused here."""
LARGEST_UPLOAD = 50_000_000
"""Bytes of a file that staff send, of which each view says itself how many it takes. The kernel does not hold so
many, so a thread reads the rest when the first megabyte is there."""
MOST_UPLOADS = 2
"""Threads of a process that may wait for such rests: who sends one slowly holds no more of them than these."""
MOST_WAITING = 300
"""Requests in a process, with a thread or waiting for one."""

LEAVE_WITHIN_SECONDS = 2
"""How long a client may take to close after an answer that ends the connection."""
PIECE_SECONDS = 60
"""A thread that writes to a slow client, or has to read after all, does not wait longer for one piece."""


def _answer(status: str, title: str, text: str, more: str = "") -> bytes:
    """A whole answer that ends the connection, with a small page of its own."""
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><h1>{title}</h1><p>{text}"
    )
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n{more}"
        "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n"
        f"Connection: close\r\nContent-Length: {len(page)}\r\n\r\n{page}"
    ).encode()


BUSY = _answer(
    "503 Service Unavailable",
    "Please try again in a minute",
    "Very many people are here at this moment. Nothing was stored; please send it again in a minute.",
    "Retry-After: 10\r\n",
)
TOO_LARGE = _answer("413 Content Too Large", "This is too much at once", "Please send less than one megabyte.")

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})(?:;[^\r\n]{0,200})?\r\n")

NOW, NEVER = 0, -1


def bytes_wanted(sock: socket.socket) -> int:
    """How many bytes must have arrived before it is worth looking again.

    NOW: give it to a thread. NEVER: it is, or may become, more than is taken.
    """
    try:
        head = sock.recv(LARGEST_HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return 1
    except OSError:
        return NOW  # gone; the thread finds out
    end = head.find(b"\r\n\r\n")
    if end < 0:
        return len(head) + 1 if head and len(head) < LARGEST_HEAD else NOW
    if _CHUNKED.search(head, 0, end + 2):
        return _wanted_of_chunks(head, end + 4)
    found = _CONTENT_LENGTH.search(head, 0, end + 2)
    length = found[1].lstrip(b"0") if found else b""
    if len(length) > len(str(LARGEST_UPLOAD)):
        return NEVER
    whole = end + 4 + int(length or b"0")
    if whole > (LARGEST_UPLOAD if _is_for_staff(head) else LARGEST_WAITED_FOR):
        return NEVER
    whole = min(whole, LARGEST_WAITED_FOR)
    return whole if _bytes_there(sock) < whole else NOW


def _is_for_staff(head: bytes) -> bool:
    return head.startswith(b"POST /staff/")


def is_upload(sock: socket.socket) -> bool:
    """Whether the request that has begun to arrive is larger than any form."""
    try:
        head = sock.recv(LARGEST_HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return False
    found = _CONTENT_LENGTH.search(head, 0, head.find(b"\r\n\r\n") + 2) if _is_for_staff(head) else None
    return found is not None and int(found[1]) > LARGEST_WAITED_FOR


def _wanted_of_chunks(data: bytes, at: int) -> int:
    """The same for a body in chunks (RFC 9112, 7.1), which has to be whole and small. Garbage: NOW, for a 400."""
    while at < len(data):
        size = _CHUNK_SIZE.match(data, at)
        if size is None:
            is_cut_off = b"\n" not in data[at:] and len(data) - at < 220
            break
        length = int(size[1], 16)
        if length == 0:
            is_cut_off = b"\r\n\r\n" not in data[size.end() - 2 :]
            break
        at = size.end() + length + 2
    else:
        is_cut_off = True
    if not is_cut_off:
        return NOW
    return len(data) + 1 if len(data) < LARGEST_HEAD else NEVER


def _bytes_there(sock: socket.socket) -> int:
    return int(struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0\0\0\0"))[0])


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """See the module. Every connection comes through `enqueue_req`, new or kept alive."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arriving: dict[TConn, float] = {}
        """Connections whose request is still coming → when that is too late; the oldest first."""
        self.leaving: dict[TConn, float] = {}
        """Connections that have their last answer → how long the client may take to close."""
        self.in_hand = 0
        self.uploads: set[TConn] = set()
        """Those in hand of which a thread may have to wait for the rest."""

    def enqueue_req(self, conn: TConn) -> None:
        conn.close = partial(self._close, conn)  # gunicorn's own waits for the client, and everyone with it
        if conn.parser and conn.parser.unreader.buf.getvalue():
            # More than one request was sent, and part of the next has been read: it cannot be looked at here.
            self.nr_conns -= 1
            self._close(conn, graceful=True)
        elif wanted := bytes_wanted(conn.sock):
            self.arriving[conn] = time.monotonic() + ARRIVE_WITHIN_SECONDS
            conn.sock.setblocking(False)
            self._wait_for(conn, wanted)
        else:
            self._give_to_thread(conn)

    def _wait_for(self, conn: TConn, wanted: int) -> None:
        """Hear of the socket again when so many bytes are there, or when it is closed."""
        if wanted == NEVER:
            del self.arriving[conn]
            self._refuse(conn, TOO_LARGE)
            return
        _wake_at(conn.sock, wanted)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._has_more, conn, wanted))

    def _has_more(self, conn: TConn, wanted: int, _sock: object) -> None:
        self.poller.unregister(conn.sock)
        is_open = _bytes_there(conn.sock) >= wanted  # only a closed one wakes us with less
        if is_open and (more := bytes_wanted(conn.sock)):
            self._wait_for(conn, more)
            return
        del self.arriving[conn]
        _wake_at(conn.sock, 1)
        self._give_to_thread(conn)

    def _give_to_thread(self, conn: TConn) -> None:
        if self.in_hand >= MOST_WAITING:
            self._refuse(conn, BUSY)
            return
        if is_upload(conn.sock):
            if len(self.uploads) >= MOST_UPLOADS:
                self._refuse(conn, BUSY)
                return
            self.uploads.add(conn)
        self.in_hand += 1
        super().enqueue_req(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        conn.sock.settimeout(PIECE_SECONDS)
        return super().handle_request(req, conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        self.in_hand -= 1
        self.uploads.discard(conn)
        super().finish_request(conn, fs)

    # ------------------------------------------------------------ goodbye

    def _refuse(self, conn: TConn, answer: bytes) -> None:
        self.nr_conns -= 1
        with contextlib.suppress(OSError):
            conn.sock.setblocking(False)
            conn.sock.send(answer)
        self._close(conn, graceful=True)

    def _close(self, conn: TConn, graceful: bool = False) -> None:
        """Close; gracefully: after the client has, since what it still sends would make the kernel reset."""
        try:
            if graceful:
                conn.sock.setblocking(False)
                conn.sock.shutdown(socket.SHUT_WR)
                _wake_at(conn.sock, 1)
                self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._hears_goodbye, conn))
                self.leaving[conn] = time.monotonic() + LEAVE_WITHIN_SECONDS
                return
        except (OSError, KeyError, ValueError, RuntimeError):
            pass  # it is gone already, or this process is at its end
        util.close(conn.sock)

    def _hears_goodbye(self, conn: TConn, _sock: object) -> None:
        try:
            if conn.sock.recv(LARGEST_HEAD):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # reset: that is a goodbye too
        self._drop(conn, self.leaving)

    def _drop(self, conn: TConn, waiting: dict[TConn, float]) -> None:
        del waiting[conn]
        with contextlib.suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        util.close(conn.sock)

    def murder_pending(self) -> None:
        """Also cut off whose request has not come in time; at the end of this process, whoever is late."""
        super().murder_pending()
        moment = time.monotonic()
        for conn in [conn for conn, late in self.arriving.items() if late <= moment or not self.alive]:
            self._drop(conn, self.arriving)
            self.nr_conns -= 1
        for conn in [conn for conn, late in self.leaving.items() if late <= moment]:
            self._drop(conn, self.leaving)


def _wake_at(sock: socket.socket, count: int) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
