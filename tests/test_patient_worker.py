"""A request is whole, or it waits: what the web server counts as having arrived."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from actionkit import patient_worker
from actionkit.patient_worker import NEVER, PatientWorker, bytes_wanted

CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
UPLOAD = b"POST /staff/x HTTP/1.1\r\nHost: a\r\nContent-Length: 40000000\r\n\r\n"


@dataclass(eq=False)
class _Conn:
    sock: socket.socket
    parser: None = None


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(the client's end, the server's end) of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _address = listener.accept()
        with client, server:
            yield client, server


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (b"", 1),
        (b"G", 2),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 26),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0),
        (HEAD + b"\r\n", len(HEAD) + 7),
        (HEAD + b"\r\nabc", len(HEAD) + 7),
        (HEAD + b"\r\nabcde", 0),
        (HEAD + b"\r\nabcdeGET / HT", 0),  # the next one may come later
        (HEAD.replace(b"Length: 5", b"LENGTH:   5 ") + b"\r\nabc", len(HEAD) + 10),
        (HEAD.replace(b" 5", b" 99999999") + b"\r\nabc", NEVER),
        (HEAD.replace(b" 5", b" 00000000000000000000000005") + b"\r\nabc", len(HEAD) + 32),
        (HEAD.replace(b" 5", b" -5") + b"\r\n", 0),  # gunicorn refuses it
        (UPLOAD + b"abc", patient_worker.LARGEST_WAITED_FOR),  # the kernel holds no more of it
        (UPLOAD.replace(b"/staff/", b"/signs/") + b"abc", NEVER),
        (UPLOAD.replace(b"40000000", b"51000000") + b"abc", NEVER),
        (CHUNKED, len(CHUNKED) + 1),
        (CHUNKED + b"3\r\nabc\r\n", len(CHUNKED) + 9),
        (CHUNKED + b"3;x=y\r\nab", len(CHUNKED) + 10),
        (CHUNKED + b"3\r\nabc\r\n0\r\n", len(CHUNKED) + 12),
        (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", 0),
        (CHUNKED + b"zz\r\nabc", 0),  # gunicorn refuses it
        (CHUNKED + b"fffff\r\n" + b"a" * patient_worker.LARGEST_HEAD, NEVER),
        (b"G" * patient_worker.LARGEST_HEAD, 0),
    ],
)
def test_what_is_waited_for(pair: tuple[socket.socket, socket.socket], sent: bytes, wanted: int) -> None:
    client, server = pair
    client.sendall(sent)
    if sent:
        server.recv(len(sent), socket.MSG_PEEK | socket.MSG_WAITALL)
    assert bytes_wanted(server) == wanted


def test_a_closed_connection_is_not_waited_for(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.close()
    server.recv(1, socket.MSG_PEEK)
    assert bytes_wanted(server) == 0


def test_above_the_limit_503_is_said_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(HEAD + b"\r\nabcde")
    server.recv(1, socket.MSG_PEEK | socket.MSG_WAITALL)
    worker = PatientWorker.__new__(PatientWorker)
    worker.in_hand, worker.nr_conns, worker.arriving, worker.leaving = patient_worker.MOST_WAITING, 7, {}, {}
    worker.poller = selectors.DefaultSelector()
    conn = _Conn(server)
    worker.enqueue_req(conn)
    client.settimeout(5)
    answer = b""
    while part := client.recv(65_536):
        answer += part
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 10\r\n" in answer
    assert b"Nothing was stored" in answer
    assert worker.nr_conns == 6
    assert list(worker.leaving) == [conn], "it is closed when the client has closed, without anybody waiting for it"
    client.close()
    while worker.leaving:
        ((key, _events),) = worker.poller.select(5)
        key.data(key.fileobj)
    assert worker.leaving == {}
    assert server.fileno() == -1
    worker.poller.close()


def test_slow_files_of_staff_hold_two_threads_and_no_more(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(UPLOAD)
    server.recv(1, socket.MSG_PEEK | socket.MSG_WAITALL)
    assert patient_worker.is_upload(server)
    worker = PatientWorker.__new__(PatientWorker)
    worker.in_hand, worker.nr_conns, worker.leaving = 2, 3, {}
    worker.uploads = {object() for _ in range(patient_worker.MOST_UPLOADS)}  # type: ignore[misc]
    worker.poller = selectors.DefaultSelector()
    worker._give_to_thread(_Conn(server))
    client.settimeout(5)
    assert client.recv(65_536).startswith(b"HTTP/1.1 503 ")
    assert (worker.in_hand, worker.nr_conns) == (2, 2)
    worker.poller.close()
