"""The limit of delivery: smtplib that sends a finished letter again and again, and does nothing else.

`python -m bench.bare_smtp PORT CONNECTIONS LETTERS FILE`: a thread for each connection, all in one
process as in the worker. Prints letters a second and processor milliseconds a letter, as JSON.
"""

from __future__ import annotations

import json
import smtplib
import sys
import threading
import time
from pathlib import Path


def send(port: int, letters: int, raw: bytes, start: threading.Barrier) -> None:
    with smtplib.SMTP("127.0.0.1", port) as connection:
        connection.ehlo()
        start.wait()
        for number in range(letters):
            connection.sendmail("us@example.org", [f"minister-{number}@government.example"], raw)


def main(port: int, connections: int, letters: int, raw: bytes) -> None:
    start = threading.Barrier(connections + 1)
    each = letters // connections
    threads = [threading.Thread(target=send, args=(port, each, raw, start)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    start.wait()
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    sent = each * connections
    seconds = time.perf_counter() - began
    print(json.dumps({"rate": sent / seconds, "cpu_ms": (time.process_time() - cpu) * 1000 / sent}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]).read_bytes())
