"""One round of A2A calls: by a client of the SDK or by bare aiohttp, to an agent, or to Tutti in front of it; CPU of each process by itself."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ["OTEL_INSTRUMENTATION_A2A_SDK_ENABLED"] = "false"

from bench.harness import ROOT, answer, asked, quantile, scratch

FLEET = """
import os
from tutti import Fleet
fleet = Fleet("bench")
fleet.remote(os.environ["BENCH_AGENT"], department="bench", owner="bench", concurrency=256)
"""
OWN = "async def echo(text: str) -> str:\n    return text\n"


class Process:
    """A process that says where it listens in its first line."""

    def __init__(self, command: list[str], folder: Path, **environment: str) -> None:
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONPATH": path, **environment}
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{command} did not start")
        self.url: str = json.loads(line)["url"] if line.startswith("{") else line.strip()

    def cpu(self) -> float:
        """CPU seconds, to the nanosecond (the scheduler's own count of all threads)."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def started(kind: str, agent: str, folder: Path) -> tuple[Process, Process | None]:
    """The agent, and what stands in front of it: Tutti, or a gateway that only passes on."""
    tutti = [sys.executable, "-m", "tutti.cli"]
    if agent == "own":
        (folder / "bench_echo.py").write_text(OWN, encoding="utf-8")
        served = Process([*tutti, "serve-agent", "bench_echo.py:echo", "--skill", "text.echo", "-o", "ndjson"], folder)
    else:
        served = Process([sys.executable, "-m", "bench.a2a_agent", agent], folder)
    if kind == "direct":
        return served, None
    if kind != "tutti":
        return served, Process([sys.executable, "-m", "bench.a2a_gateway", kind, served.url], folder)
    (folder / "bench_fleet.py").write_text(FLEET, encoding="utf-8")
    plane = Process([*tutti, "up", "bench_fleet.py", "-o", "ndjson"], folder, BENCH_AGENT=served.url, TUTTI_LISTEN="127.0.0.1:0")
    return served, plane


async def sdk_call(url: str, token: str) -> Any:
    """The SDK's client as its documentation has it, without streams."""
    import httpx
    from a2a.client import ClientConfig, ClientFactory
    from a2a.client.card_resolver import A2ACardResolver
    from a2a.types import Message, Part, Role, SendMessageRequest, TaskState

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    http = httpx.AsyncClient(headers=headers, timeout=60, limits=httpx.Limits(max_connections=100, keepalive_expiry=60))
    card = await A2ACardResolver(http, url).get_agent_card()
    client = ClientFactory(ClientConfig(streaming=False, httpx_client=http)).create(card)

    async def call(number: int) -> None:
        message = Message(message_id=f"m-{os.getpid()}-{number}", role=Role.ROLE_USER, parts=[Part(text=f"hello {number}")])
        message.metadata["skill"] = "text.echo"
        async for response in client.send_message(SendMessageRequest(message=message)):
            task = response.task
            if task.status.state != TaskState.TASK_STATE_COMPLETED or task.artifacts[0].parts[0].text != f"hello {number}":
                raise SystemExit(f"a wrong answer: {response}")

    return call


async def bare_call(url: str, token: str, *, rest: bool = False) -> Any:
    """aiohttp and orjson, and nothing else; JSON-RPC, or HTTP+JSON."""
    import aiohttp
    import orjson

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    headers = {"A2A-Version": "1.0", "Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    place, wanted = (url + "/a2a/message:send", "task") if rest else (url + "/", "result")

    async def call(number: int) -> None:
        message = {"messageId": f"m-{number}", "role": "ROLE_USER", "parts": [{"text": f"hello {number}"}], "metadata": {"skill": "text.echo"}}
        params = {"message": message}
        body = orjson.dumps(params if rest else {"jsonrpc": "2.0", "id": "1", "method": "SendMessage", "params": params})
        async with session.post(place, data=body, headers=headers) as response:
            told = orjson.loads(await response.read())
            if wanted not in told:
                raise SystemExit(f"a wrong answer: {told}")

    return call


async def measure(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    agent, plane = started(request["kind"], request["agent"], folder)
    try:
        front = plane or agent
        token = (folder / ".tutti" / "bench" / "owner.token").read_text(encoding="ascii").strip() if request["kind"] == "tutti" else ""
        client = request["client"]
        call = await (sdk_call(front.url, token) if client == "sdk" else bare_call(front.url, token, rest=client == "rest"))
        for number in range(100):
            await call(-number)
        numbers, took, end = iter(range(10**9)), [], time.perf_counter() + request["seconds"]
        before = [time.process_time(), agent.cpu(), plane.cpu() if plane else 0.0]
        start = time.perf_counter()

        async def worker() -> None:
            while time.perf_counter() < end:
                began = time.perf_counter()
                await call(next(numbers))
                took.append(time.perf_counter() - began)

        await asyncio.gather(*(worker() for _ in range(request["in_flight"])))
        wall = time.perf_counter() - start
        caller, served, through = (now - then for now, then in zip([time.process_time(), agent.cpu(), plane.cpu() if plane else 0.0], before, strict=True))
    finally:
        for process in (plane, agent):
            if process is not None:
                process.end()
    n = len(took)
    return {
        "n": n, "req_s": n / wall, "p50_ms": quantile(took, 0.5) * 1e3, "p99_ms": quantile(took, 0.99) * 1e3, "client_ms": caller / n * 1e3,
        "agent_ms": served / n * 1e3, "tutti_ms": through / n * 1e3, "all_ms": (caller + served + through) / n * 1e3,
    }  # fmt: skip


if __name__ == "__main__":
    with scratch() as place:
        result = asyncio.run(measure(asked(), place))
    answer(result)
