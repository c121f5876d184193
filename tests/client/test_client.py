"""Both clients against a served workspace: every operation, errors by family, repetition, and a stream that comes back."""

from __future__ import annotations

import asyncio
import http.server
import inspect
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tutti import AsyncClient, Client
from tutti.client import calls
from tutti.errors import Conflict, Invalid, NotFound, Overloaded, Unauthenticated, Unreachable

FLEET = """
from pydantic import BaseModel
from tutti import Context, Fleet

fleet = Fleet("shop")

class Ticket(BaseModel):
    text: str

class Refund(BaseModel):
    amount: float

@fleet.agent(skill="ticket.triage", department="support", owner="ana@example.com")
async def triage(ticket: Ticket, ctx: Context) -> str:
    return f"read {ticket.text}"

@fleet.agent(skill="ticket.ask", department="support", owner="ana@example.com")
async def asks(ticket: Ticket, ctx: Context) -> str:
    return f"told {await ctx.input('Which account?')}"

@fleet.action("refund.pay", department="finance", owner="ben@example.com", amount="amount", idempotent=True)
async def pay(refund: Refund, ctx: Context) -> str:
    return f"paid {refund.amount:.2f}"

fleet.on("ticket.opened", do="ticket.triage")
"""
EVENT = {"specversion": "1.0", "id": "1", "source": "/helpdesk", "type": "ticket.opened", "subject": "account/7", "data": {"text": "hello"}}


def up(folder: Path, listen: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TUTTI_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tutti.cli", "up", "fleet.py", "--json", "-q"], cwd=folder, text=True, stdout=subprocess.PIPE,
        env={**kept, "TUTTI_FOLDER": str(folder / ".tutti"), "TUTTI_LISTEN": listen, "TUTTI_GRACE_SECONDS": "0"},
    )  # fmt: skip
    assert process.stdout is not None
    lines = ""
    while not lines.endswith("}\n"):
        line = process.stdout.readline()
        assert line, "tutti up said nothing"
        lines += line
    return process, json.loads(lines)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = tmp_path_factory.mktemp("client")
    (folder / "fleet.py").write_text(FLEET)
    process, said = up(folder, "127.0.0.1:0")
    yield SimpleNamespace(url=said["url"], socket=said["socket"], token=Path(said["token_file"]).read_text().strip(), folder=folder)
    process.terminate()
    process.communicate(timeout=60)


@pytest.fixture(params=["http", "unix"])
def client(server: SimpleNamespace, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(server.url, server.token) if request.param == "http" else Client(f"unix:{server.socket}") as found:
        yield found


def test_the_work(client: Client) -> None:
    sent = client.send({**EVENT, "id": os.urandom(4).hex()})
    waited = client.wait(sent["tasks"][0])
    assert (waited["done"], waited["task"]["output"]) == (True, "read hello")
    batch = client.send_batch([{**EVENT, "id": os.urandom(4).hex()}, {"type": "wrong"}])
    assert (batch["taken"], "problem" in batch["signals"][1]) == (1, True)
    id = client.submit("ticket.ask", {"text": "?"}, subject="account/8")["task"]
    assert client.wait(id)["waits"] == [id]
    assert client.tasks(waiting=True, subject="account/8")["tasks"][0]["id"] == id
    client.answer(id, "account/8")
    assert client.wait(id)["task"]["output"] == "told account/8"
    assert client.rate(id, 0.9, note="good")["quality"] == 0.9
    told = client.why(id)
    assert told["schema"] == "tutti.why/1"
    assert told["task"] == id
    with pytest.raises(NotFound, match="There is no conflict c-nothing"):
        client.why("c-nothing")
    assert client.lineage(sent["signal"])["tree"]["led_to"][0]["task"] == sent["tasks"][0]


def test_approvals_switches_levels_and_goals(client: Client) -> None:
    id = client.submit("refund.pay", {"amount": 20})["task"]
    client.wait(id)
    approval = client.approval(id)
    assert approval["id"] in {each["id"] for each in client.approvals()}
    assert client.answer_approval(id, "approve", note="fine")["state"] in ("approved", "used")
    assert client.wait(id)["task"]["output"] == "paid 20.00"
    client.kill("action", "refund.pay", reason="odd")
    assert [switch["name"] for switch in client.kill_switches()] == ["refund.pay"]
    parked = client.submit("refund.pay", {"amount": 1})["task"]
    assert client.wait(parked)["task"]["stage"] == "parked"
    assert client.settle(parked, "drop")["state"] == "canceled"
    client.lift("action", "refund.pay")
    assert client.set_level("refund.pay", "approve", up_to=None)["level"] == "approve"
    with pytest.raises(Invalid, match="NaN"):  # null would be: no limit
        client.set_level("refund.pay", "act", up_to=float("nan"))
    goal = client.set_goal("cheap", kpi="cost", target=1.5, weights={"cost": 0.5})
    assert goal in client.goals()


def test_the_fleet_and_the_record(client: Client) -> None:
    assert {agent["skill"] for agent in client.agents()} == {"ticket.triage", "ticket.ask", "refund.pay"}
    assert client.card("triage")["versions"][0]["state"] == "live"
    head = client.head()
    proof = client.prove_inclusion(1, head["seq"])
    assert (proof["root"], len(proof["path"]) > 0) == (head["root"], True)
    assert client.prove_consistency(1, head["seq"])["second_root"] == head["root"]
    assert client.facts(kind="workspace.created")[0]["seq"] == 1
    assert client.heads()[0]["signature"]
    assert client.measures()["schema"] == "tutti.measures/1"
    assert client.erase("account/nobody") == {"subject": "account/nobody", "payloads": 0}
    assert client.health()["fleet"] == "shop"


def test_errors_are_the_houses(client: Client, server: SimpleNamespace) -> None:
    with pytest.raises(NotFound, match="t-no"):
        client.task("t-no")
    with pytest.raises(Invalid, match="specversion"):
        client.send({"type": "x"})
    id = client.submit("ticket.ask", {"text": "?"})["task"]
    client.cancel(id)
    with pytest.raises(Conflict) as caught:
        client.cancel(id)
    assert caught.value.hint
    with pytest.raises(Unauthenticated), Client(server.url, "tutti_wrong") as stranger:
        stranger.tasks()
    with pytest.raises(Invalid, match="no address"):
        Client("tutti.example:7777")


async def test_the_same_awaited(server: SimpleNamespace) -> None:
    async with AsyncClient(server.url, server.token) as client, AsyncClient(f"unix:{server.socket}") as local:
        ids = [made["task"] for made in await asyncio.gather(*(client.submit("ticket.triage", {"text": str(n)}) for n in range(20)))]
        waited = await asyncio.gather(*(local.wait(id) for id in ids))
        assert [each["task"]["output"] for each in waited] == [f"read {n}" for n in range(20)]
        with pytest.raises(NotFound):
            await local.task("t-no")


async def test_changes_as_they_happen(server: SimpleNamespace) -> None:
    async with AsyncClient(server.url, server.token) as client:
        head = await client.head()
        id = (await client.submit("ticket.triage", {"text": "seen"}))["task"]
        states = []
        async with asyncio.timeout(30):
            async for event in client.events(head["seq"]):
                assert event.change is not None
                if event.change.get("task") == id and "state" in event.change:
                    states.append(event.change["state"])
                    if states[-1] == "completed":
                        break
        assert states == ["submitted", "working", "completed"]


def test_both_clients_have_every_operation() -> None:
    operations = {name for name, made in vars(calls).items() if inspect.isfunction(made)}
    for kind in (Client, AsyncClient):
        assert operations <= set(vars(kind)), kind


class Flaky(http.server.BaseHTTPRequestHandler):
    """Busy, then gone without an answer, then there; a stream that breaks after each change."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, str | None]]
    seq = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"] or 0))
        self.seen.append(("POST", self.path, self.headers["idempotency-key"]))
        if len(self.seen) == 1:
            self._answer(503, {"code": "overloaded", "detail": "busy"}, ("retry-after", "0"))
        elif len(self.seen) == 2:
            self.close_connection = True  # no answer at all
        else:
            self._answer(201, {"task": "t-1"})

    def do_GET(self) -> None:
        self.seen.append(("GET", self.path, None))
        if not self.path.startswith("/v1/events"):
            self._answer(429, {"code": "overloaded", "detail": "full"}, ("retry-after", "120"))
            return
        Flaky.seq += 1
        text = f'id: {Flaky.seq}\nevent: change\ndata: {{"seq": {Flaky.seq}}}\n\n'.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _answer(self, status: int, body: Any, *headers: tuple[str, str]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(text)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("tutti.client.turns._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("tutti.client.synchronous.PAUSE", 0.01)
    monkeypatch.setattr("tutti.client.asynchronous.PAUSE", 0.01)
    Flaky.seen, Flaky.seq = [], 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_makes_something_is_repeated_under_one_key(flaky: str) -> None:
    with Client(flaky) as client:
        assert client.submit("x") == {"task": "t-1"}
    assert len(Flaky.seen) == 3
    assert len({key for _, _, key in Flaky.seen}) == 1
    assert Flaky.seen[0][2]


async def test_the_same_awaited_is_repeated_under_one_key(flaky: str) -> None:
    async with AsyncClient(flaky) as client:
        assert await client.submit("x") == {"task": "t-1"}
    assert len({key for _, _, key in Flaky.seen}) == 1


def test_what_is_not_safe_is_not_repeated_and_long_waits_are_told(flaky: str) -> None:
    with Client(flaky) as client:
        with pytest.raises(Overloaded, match="busy"):
            client.erase("x")
        assert len(Flaky.seen) == 1
        with pytest.raises(Overloaded) as caught:
            client.head()
        assert caught.value.about["retry_after"] == 120


def test_a_broken_stream_is_resumed_where_it_stopped(flaky: str) -> None:
    with Client(flaky) as client:
        events = client.events()
        assert [next(events).seq for _ in range(3)] == [1, 2, 3]
    assert [path for _, path, _ in Flaky.seen] == ["/v1/events", "/v1/events?after=1", "/v1/events?after=2"]


async def test_a_broken_stream_is_resumed_awaited_too(flaky: str) -> None:
    async with AsyncClient(flaky) as client:
        found = []
        async for event in client.events():
            found.append(event.seq)
            if len(found) == 3:
                break
    assert [path for _, path, _ in Flaky.seen] == ["/v1/events", "/v1/events?after=1", "/v1/events?after=2"]


def test_nobody_there_is_told() -> None:
    with pytest.raises(Unreachable, match="Nobody answers"), Client("unix:/nowhere/socket", tries=2) as client:
        client.tasks()
