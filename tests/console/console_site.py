"""A served workspace and a browser that looks at it: what the console's tests, its pictures and its bench share."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

ROOT = Path(__file__).parents[2]
CONSOLE = ROOT / "src" / "tutti" / "console"
DIST = CONSOLE / "dist"
AXE = CONSOLE / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
BARGAINERS = ["buyer", "seller"]  # of the company's negotiation by alternating offers
PATIENCE_MS = 30_000  # for what a page shows, on a machine that has much else to do
_PATIENCE_S = 60.0  # for what comes to be in the record
_COUNTED = """(() => {
  const call = window.fetch;
  window.underway = 0;
  window.fetch = async (...said) => {
    window.underway += 1;
    try {
      const answer = await call(...said);
      await answer.clone().text();
      return answer;
    } finally {
      window.underway -= 1;
    }
  };
})()"""  # calls that a page waits for; its stream is none
_STILL = """() => new Promise(still => {
  let frames = 0;
  const look = () => {
    frames = window.underway || document.querySelector('[aria-busy=true]') ? 0 : frames + 1;
    if (frames > 5) still(true);
    else requestAnimationFrame(look);
  };
  look();
})"""  # for as many frames as an answer needs to be seen, and to lead to another call
Read = TypeVar("Read")
Shown = TypeVar("Shown")


def chromium() -> str | None:
    """The system's Chromium, or the one that TUTTI_CHROMIUM names."""
    return os.environ.get("TUTTI_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def launch(playwright: Playwright, *more: str) -> Browser:
    """Start it, without a word to anybody outside."""
    return playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS, *more], timeout=4 * PATIENCE_MS)


class _Local(http.client.HTTPConnection):
    """HTTP over a workspace's own socket: whoever opens it is the owner."""

    def __init__(self, path: str) -> None:
        super().__init__("127.0.0.1", timeout=_PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_PATIENCE_S)
        self.sock.connect(self._path)


@dataclass
class Served:
    """A process of `served.py`."""

    folder: Path
    busy: bool = False
    undecided: bool = False
    listen: str = "127.0.0.1:0"
    url: str = ""
    socket: str = ""
    process: subprocess.Popen[str] | None = field(default=None, repr=False)
    session: Any = field(default=None, repr=False)  # the owner's cookies, once there are some: log-ins are throttled

    def start(self) -> Served:
        """Run it, and wait until it listens; again at the address it had before."""
        command = [
            sys.executable,
            str(Path(__file__).parent / "served.py"),
            str(self.folder / "tutti"),
            "--listen",
            self.listen,
            *(["--busy"] if self.busy else []),
            *(["--undecided"] if self.undecided else []),
        ]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "default"}
        with (self.folder / "log.txt").open("a") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "log.txt").read_text()[-3000:]
        said = json.loads(line)
        self.url, self.socket = said["url"], said["socket"]
        self.listen = self.url.removeprefix("http://")
        return self

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(_PATIENCE_S)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call its API as the owner."""
        connection = _Local(self.socket)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, f"/v1{path}", sent, {"content-type": "application/json"} if sent else {})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status < 400, (answer.status, text)
            return json.loads(text) if text else None
        finally:
            connection.close()

    def asked_for_a_price(self, account: str, amount: float) -> str:
        """A price change that a person must allow; returns its approval."""
        task = self.ask("POST", "/tasks", {"skill": "price.change", "input": {"account": account, "amount": amount}, "subject": f"account/{account}"})["task"]
        found = self.ask("GET", f"/tasks/{task}/wait?timeout_ms=50000")["task"]
        assert found["approval"], found
        return str(found["approval"])

    def metrics(self) -> str:
        """Its figures for Prometheus."""
        connection = _Local(self.socket)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def link(self) -> str:
        """A link that lets the owner in once."""
        return str(self.ask("POST", "/session-links")["url"])


def unmoved(read: Callable[[], Read], look: Callable[[], Shown]) -> tuple[Read, Shown]:
    """What the record says and what a page shows, of the same state: looked at again where the record went on in between, with what an earlier test left."""
    said = read()
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        before, shown, said = said, look(), read()
        if said == before:
            return said, shown
    raise AssertionError(f"the record does not come to rest: {said}")


def eventually(check: Callable[[], bool]) -> None:
    """Wait until something holds that another process does."""
    until = time.monotonic() + _PATIENCE_S
    while not check():
        assert time.monotonic() < until
        time.sleep(0.05)


@contextmanager
def serving(folder: Path, *, busy: bool = False, undecided: bool = False, listen: str = "127.0.0.1:0") -> Iterator[Served]:
    """A workspace that is served until the block ends."""
    served = Served(folder, busy=busy, undecided=undecided, listen=listen).start()
    try:
        yield served
    finally:
        served.stop()


@dataclass
class Seen:
    """A page that somebody looks at, with what went wrong on it and who it spoke to."""

    page: Page
    served: Served
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a page of the console and wait until it stands still."""
        self.page.goto(f"{self.served.url}/console{path}")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is loading any more, what stands in no place of its own while it loads (a count beside a title) included."""
        self.page.wait_for_selector("h1")
        self.page.wait_for_function(_STILL)

    def violations(self) -> list[Any]:
        """What axe finds, in short."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text())  # past the page's policy, as developer tools are
        found: list[Any] = self.page.evaluate(
            "() => axe.run().then(r => r.violations.map(v => [v.id, v.nodes.length, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160))]))"
        )
        return found


def look(browser: Browser, served: Served, *, dark: bool = False, phone: bool = False, enter: bool = True, reduced: bool = True) -> Seen:
    """A browser's window at the console, signed in as the owner."""
    context: BrowserContext = browser.new_context(
        storage_state=served.session if enter else None, viewport=PHONE if phone else DESK, color_scheme="dark" if dark else "light", reduced_motion="reduce" if reduced else "no-preference", locale="en-GB", timezone_id="Europe/Warsaw",
    )  # fmt: skip
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_COUNTED)
    seen = Seen(context.new_page(), served)
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    seen.page.on("request", lambda request: None if request.url.startswith((served.url, "data:", "blob:")) else seen.foreign.append(request.url))
    if enter:
        seen.page.goto(served.link() if served.session is None else f"{served.url}/console/")
        seen.page.wait_for_selector(".frame")
        seen.settle()
        served.session = served.session or context.storage_state()
    return seen


def views(served: Served) -> dict[str, str]:
    """Every view by name, with things that are really there."""
    tasks = served.ask("GET", "/tasks?limit=200")["tasks"]
    routed = next(task["id"] for task in tasks if task["state"] == "completed" and task["skill"] == "churn.forecast" and not task["coalesced_into"])
    waiting = served.ask("GET", "/approvals")[0]
    negotiations = served.ask("GET", "/negotiations?limit=200")["negotiations"]
    bargaining = next(each["id"] for each in negotiations if each["parties"] == BARGAINERS)
    conflict = served.ask("GET", "/conflicts?state=all&limit=1")["conflicts"][0]["id"]
    signal_id = next(task["signal"] for task in tasks if task["signal"])
    return {
        "overview": "/",
        "map": "/map",
        "tasks": "/tasks?status=human,done",
        "task": f"/tasks/{waiting['task']}",
        "why": f"/why/{routed}",
        "why-asked": f"/why/{waiting['task']}",
        "approvals": f"/approvals/{waiting['id']}",
        "negotiations": "/negotiations",
        "negotiation": f"/negotiations/{negotiations[0]['id']}",
        "bargaining": f"/negotiations/{bargaining}",
        "conflicts": "/conflicts?state=all",
        "conflict": f"/conflicts/{conflict}",
        "signals": "/signals",
        "signal": f"/signals/{signal_id}",
        "agents": "/agents?skill=ticket.triage",
        "agent": "/agents/churn-blend",
        "goals": "/goals",
        "bottlenecks": "/bottlenecks",
        "policies": "/policies",
        "audit": "/audit",
        "settings": "/settings",
    }
