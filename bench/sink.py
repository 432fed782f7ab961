"""A mail server in a process of its own that takes every message and forgets it.

`python -m bench.sink PORT DELAY_MS`: the answer to each message's final dot comes so much later.
"""

from __future__ import annotations

import asyncio
import sys

ANSWERS = {
    b"EHLO": b"250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 52428800\r\n",
    b"DATA": b"354 go ahead\r\n",
    b"QUIT": b"221 bye\r\n",
}


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """One connection, to its end. `delay`: seconds before a message is taken."""
    writer.write(b"220 sink\r\n")
    while line := await reader.readline():
        verb = line[:4].strip().upper()
        writer.write(ANSWERS.get(verb, b"250 ok\r\n"))
        if verb == b"QUIT":
            break
        if verb == b"DATA":
            while await reader.readline() not in (b".\r\n", b""):
                pass
            await asyncio.sleep(delay)
            writer.write(b"250 taken\r\n")
    writer.close()


async def main(port: int, delay: float) -> None:
    server = await asyncio.start_server(lambda r, w: talk(r, w, delay), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) / 1000))
