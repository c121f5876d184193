"""What the tests of kill -9 share: a worker process that is told what to do and killed, the world it acts on, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import queue
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tutti.app import FOLDS, TABLES
from tutti.journal import rebuild, verify
from tutti.settings import Settings

HERE = Path(__file__).parent
PATIENCE = 120.0  # real seconds that an answer may take on a machine that does many other things


class Process:
    """A worker that is told what to do, and killed."""

    def __init__(self, worker: str, folder: Path, port: int, log: Path) -> None:
        self.lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        with log.open("ab") as errors:
            command = [sys.executable, str(HERE / worker), str(folder), str(port)]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                self.lines.put(json.loads(line))
            except ValueError:
                break  # a line that was cut off was not acknowledged
        self.lines.put(None)

    def next(self, wait: float) -> dict[str, Any] | None:
        """The next answer; None when there is none in time."""
        try:
            return self.lines.get(timeout=max(wait, 0.0))
        except queue.Empty:
            return None

    def tell(self, number: int, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"number": number, **command}).encode() + b"\n")
        self.process.stdin.flush()

    def kill(self) -> list[dict[str, Any]]:
        """kill -9; what had been acknowledged before."""
        self.process.kill()
        return self._end()

    def stop(self) -> int:
        """End in good order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self._end()
        return self.process.returncode

    def _end(self) -> list[dict[str, Any]]:
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        left = []
        while (line := self.next(0)) is not None:
            left.append(line)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        return left


class Trial:
    """One journal, one receiver, many workers; each lives `longest` seconds at most."""

    def __init__(self, folder: Path, seed: int, worker: str, longest: float) -> None:
        self.rng = random.Random(seed)
        self.worker = worker
        self.longest = longest
        self.settings = Settings("kill9", folder / "tutti")
        self.log = folder / "worker.log"
        self.calls_file = folder / "calls"
        self._folder = folder
        self.receiver = subprocess.Popen(
            [sys.executable, str(HERE / "kill9_receiver.py"), str(self.calls_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.receiver.stdout is not None
        self.port = int(self.receiver.stdout.readline())
        self.numbers = 0
        self.unsent: list[int] = []
        self.sent: dict[int, dict[str, Any]] = {}
        self.approvals: list[str] = []
        self.caught: Counter[tuple[str, str]] = Counter()  # (skill, stage) of tasks that were open when a process was killed
        self.kills = 0

    def take(self, line: dict[str, Any], asked: dict[int, dict[str, Any]]) -> None:
        """Remember what was acknowledged."""
        command = asked[line["number"]]
        assert "error" not in (line["answer"] or {}), line
        if command["do"] == "send":
            self.sent.setdefault(command["n"], line["answer"])
            self.unsent.remove(command["n"])
        self.approvals += line["answer"].get("approvals", ())

    def round(self, tickets: int) -> None:
        """One process: it is given work, and killed while it works."""
        process = Process(self.worker, self.settings.folder, self.port, self.log)
        assert process.next(PATIENCE) == {"ready": True}, self.log.read_text()
        first = len(self.sent) + len(self.unsent)
        self.unsent += range(first, first + tickets)
        until = time.monotonic() + self.rng.random() * self.longest
        asked: dict[int, dict[str, Any]] = {}
        plan = [{"do": "send", "n": n} for n in self.unsent] + [{"do": "decide"}] * 3
        self.rng.shuffle(plan)
        try:
            while (left := until - time.monotonic()) > 0:
                if plan:
                    self.numbers += 1
                    asked[self.numbers] = plan.pop()
                    process.tell(self.numbers, **asked[self.numbers])
                line = process.next(min(left, self.rng.random() * 0.04) if plan else left)
                if line is not None:
                    self.take(line, asked)
        finally:
            for line in process.kill():
                self.take(line, asked)
        self.kills += 1
        self._look()

    def _look(self) -> None:
        """Count the open tasks as the killed process left them, on a copy."""
        copy = self._folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in Path(self.settings.place).parent.glob("kill9.db*"):
            shutil.copy(file, copy / file.name)
        database = sqlite3.connect(copy / "kill9.db")
        for skill, stage, count in database.execute("SELECT skill, stage, count(*) FROM task WHERE open = 1 GROUP BY skill, stage"):
            self.caught[skill, stage] += count
        database.close()

    def finish(self) -> None:
        """The last process is left alone; all must come to an end."""
        process = Process(self.worker, self.settings.folder, self.port, self.log)
        try:
            assert process.next(PATIENCE) == {"ready": True}, self.log.read_text()
            asked = {}
            for n in list(self.unsent):
                self.numbers += 1
                asked[self.numbers] = {"do": "send", "n": n}
                process.tell(self.numbers, do="send", n=n)
            while self.unsent:
                line = process.next(PATIENCE)
                assert line is not None, self.log.read_text()
                self.take(line, asked)
            process.tell(0, do="finish")
            assert process.next(PATIENCE) == {"number": 0, "answer": {"open": 0}}, self.log.read_text()
            assert process.stop() == 0
        finally:
            process.kill()

    @property
    def stages(self) -> set[str]:
        """At which stages tasks were when their process was killed."""
        return {stage for _, stage in self.caught}

    def close(self) -> None:
        self.receiver.kill()
        self.receiver.wait()
        for pipe in (self.receiver.stdin, self.receiver.stdout):
            assert pipe is not None
            pipe.close()


def zeros(trial: Trial, first: Collection[str], actions: Collection[str]) -> dict[str, Any]:
    """What must be empty. `first` are the skills that signals start, `actions` those that reach the world."""
    database = sqlite3.connect(trial.settings.place)
    database.row_factory = sqlite3.Row
    tasks = {row["id"]: row for row in database.execute("SELECT * FROM task")}
    facts = database.execute("SELECT seq, kind, about, data FROM fact ORDER BY seq").fetchall()
    database.close()
    calls = [json.loads(line) for line in trial.calls_file.read_text().splitlines()]
    there = {(fact["kind"], fact["about"]) for fact in facts}
    lost = [
        n
        for n, sent in trial.sent.items()
        if ("signal.received", sent["signal"]) not in there or any(("task.submitted", id) not in there for id in sent["tasks"])
    ]
    lost += [approval for approval in trial.approvals if ("approval.answered", approval) not in there]
    effects = Counter(call["task"] for call in calls if call["effect"])
    unsafe = Counter(call["task"] for call in calls if not call["honours"])
    starts = Counter(fact["about"] for fact in facts if fact["kind"] == "run.started")
    ends = Counter(fact["about"] for fact in facts if fact["kind"] in ("task.completed", "task.failed", "task.canceled", "task.rejected"))
    begun = [json.loads(row["data"]) for row in facts if row["kind"] == "task.submitted"]
    taken_in = Counter((task["signal"], task["skill"]) for task in begun if task["skill"] in first and not task.get("parent"))
    report = verify(trial.settings.place, witness=trial.settings.witness)
    return {
        "lost": lost,
        "twice": [task for task, times in effects.items() if times > 1] + [task for task, times in unsafe.items() if times > 1],
        "taken in twice": [signal for (signal, _), times in taken_in.items() if times > 1],
        "unrecorded": [task for task, times in Counter(call["task"] for call in calls).items() if times > starts[task]],
        "said and not done": [id for id, row in tasks.items() if row["skill"] in actions and row["state"] == "completed" and id not in effects],
        "stuck": [id for id, row in tasks.items() if row["open"] or ends[id] != 1],
        "does not verify": [] if report.ok else [report.message],
        "replays otherwise": rebuild(trial.settings.place, TABLES, FOLDS, most=3),
    }


def run(folder: Path, seed: int, kills: int, signals: int, *, worker: str, first: Collection[str], actions: Collection[str], longest: float = 0.8) -> Trial:
    """Kill so many workers, each given 1 to `signals` new signals; let the last one finish, and look at what must hold."""
    trial = Trial(folder, seed, worker, longest)
    try:
        for _ in range(kills):
            trial.round(trial.rng.randint(1, signals))
        trial.finish()
        assert {what: found for what, found in zeros(trial, first, actions).items() if found} == {}
    finally:
        trial.close()
    return trial
