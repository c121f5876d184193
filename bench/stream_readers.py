"""Readers of the stream of changes: `PORT BATCH_MS`, tokens on the standard input, one a line, then an empty line; a further line ends it.

Says a line when all have their first bytes, and at the end the fewest and the most changes that one got, and all bytes together.
"""

from __future__ import annotations

import asyncio
import sys


async def main(port: str, batch_ms: str) -> None:
    tokens = []
    while line := sys.stdin.readline().strip():
        tokens.append(line)
    counts, received = [0] * len(tokens), 0

    async def read(place: int, token: str, begun: asyncio.Future[None]) -> None:
        nonlocal received
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        query = f"?batch_ms={batch_ms}" if batch_ms != "0" else ""
        writer.write(f"GET /v1/events{query} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n\r\n".encode())
        while piece := await reader.read(65536):
            received += len(piece)
            counts[place] += piece.count(b'"about":')
            if b"tutti" in piece and not begun.done():
                begun.set_result(None)

    loop = asyncio.get_running_loop()
    begun: list[asyncio.Future[None]] = [loop.create_future() for _ in tokens]
    reading = [asyncio.create_task(read(place, token, begun[place])) for place, token in enumerate(tokens)]
    await asyncio.gather(*begun)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    print(min(counts), max(counts), received, flush=True)
    for task in reading:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
