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

from gunicorn.workers.gthread import TConn, ThreadWorker

ARRIVE_WITHIN_SECONDS = 20
LARGEST_HEAD = 65_536
"""Bytes. gunicorn refuses a longer one, so it need not be waited for."""
LARGEST_WAITED_FOR = 1_100_000
"""Bytes of head and body. More is refused by the application before it reads any of it."""
MOST_WAITING = 300
"""Requests in a process, with a thread or waiting for one."""

BUSY_PAGE = (
    b"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    b"<title>Please try again in a minute</title><h1>Please try again in a minute</h1>"
    b"<p>Very many people are here at this moment. Nothing was stored; please send it again in a minute."
)
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
    b"Retry-After: 10\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(BUSY_PAGE), BUSY_PAGE)
)
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)


def bytes_wanted(sock: socket.socket) -> int:
    """How many bytes must have arrived before it is worth looking again; 0 = give it to a thread now."""
    try:
        head = sock.recv(LARGEST_HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return 1
    except OSError:
        return 0  # gone; the thread finds out
    end = head.find(b"\r\n\r\n")
    if end < 0:
        return len(head) + 1 if head and len(head) < LARGEST_HEAD else 0
    found = _CONTENT_LENGTH.search(head, 0, end + 2)
    whole = end + 4 + (int(found[1]) if found else 0)
    return whole if _bytes_there(sock) < whole <= LARGEST_WAITED_FOR else 0


def _bytes_there(sock: socket.socket) -> int:
    return int(struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0\0\0\0"))[0])


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """See the module. Every connection comes through `enqueue_req`, new or kept alive."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arriving: dict[TConn, float] = {}
        """Connections whose request is still coming → when that is too late; the oldest first."""
        self.in_hand = 0

    def enqueue_req(self, conn: TConn) -> None:
        if conn.is_http2 or (conn.parser and conn.parser.unreader.buf.getvalue()):
            self._give_to_thread(conn)  # part of it has been read already
        elif wanted := bytes_wanted(conn.sock):
            self.arriving[conn] = time.monotonic() + ARRIVE_WITHIN_SECONDS
            conn.sock.setblocking(False)
            self._wait_for(conn, wanted)
        else:
            self._give_to_thread(conn)

    def _wait_for(self, conn: TConn, wanted: int) -> None:
        """Hear of the socket again when so many bytes are there, or when it is closed."""
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
            self.nr_conns -= 1
            with contextlib.suppress(OSError):
                conn.sock.setblocking(False)
                conn.sock.send(BUSY)
                conn.sock.shutdown(socket.SHUT_WR)
                conn.sock.recv(LARGEST_HEAD)  # what is left unread would make the kernel send a reset
            conn.close()
            return
        self.in_hand += 1
        super().enqueue_req(conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        self.in_hand -= 1
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Also cut off whose request has not come in time; at the end of this process, whoever is late."""
        super().murder_pending()
        moment = time.monotonic() if self.alive else float("inf")
        for conn in [conn for conn, late in self.arriving.items() if late <= moment]:
            del self.arriving[conn]
            with contextlib.suppress(OSError, KeyError, ValueError):
                self.poller.unregister(conn.sock)
            self.nr_conns -= 1
            conn.close()


def _wake_at(sock: socket.socket, count: int) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
