"""The example's agents as services: each a process of its own on a loopback port, started and ended by the demo, called by A2A."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tutti.errors import AgentFailed
from tutti.fleet import Fleet
from tutti.fleets.lifecycle.company import Company
from tutti.fleets.lifecycle.models import Models
from tutti.model.agent import Skill

SERVED = ("triage-words", "triage-vader", "triage-text", "churn-blend", "pricing", "price-desk")
_COMPANY = "TUTTI_DEMO_COMPANY"  # where a child finds the company and its models
_START_S = 60.0  # for all of them: each loads the machine-learning libraries
_STOP_S = 5.0


def __getattr__(name: str) -> Fleet:
    """`fleet`, as a child serves it: built from what the demo has put into a file that only its user can read."""
    if name != "fleet":
        raise AttributeError(name)
    from tutti.fleets import lifecycle

    company, models = pickle.loads(Path(os.environ[_COMPANY]).read_bytes())
    return lifecycle.build(company, fitted=models)


@asynccontextmanager
async def serving(fleet: Fleet, company: Company, models: Models) -> AsyncIterator[list[str]]:
    """Run `SERVED` as services and have the fleet call them there; gives their addresses. They end with the block.

    Raises: `AgentFailed` when one does not start.
    """
    names = [name for name in SERVED if any(card.name == name for card in fleet.cards.values())]
    with tempfile.TemporaryDirectory(prefix="tutti-demo-") as folder:
        place = Path(folder)
        (place / "company").write_bytes(pickle.dumps((company, models)))
        processes: list[asyncio.subprocess.Process] = []
        try:
            async with asyncio.timeout(_START_S):
                for name in names:
                    processes.append(await _start(name, place))
                urls = await asyncio.gather(*(_url(process, name) for process, name in zip(processes, names, strict=True)))
            for name, url in zip(names, urls, strict=True):
                _move_out(fleet, name, url)
            yield urls
        finally:
            await asyncio.gather(*(_end(process) for process in processes))


async def _start(name: str, folder: Path) -> asyncio.subprocess.Process:
    command = [
        "-m",
        "tutti.cli",
        "serve-agent",
        f"{__name__}:fleet",
        "--agent",
        name,
        "--key",
        str(folder / f"{name}.key"),
        "--grace",
        "2",
        "--with-parent",
        "-o",
        "ndjson",
    ]
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env={**os.environ, _COMPANY: str(folder / "company")},
        start_new_session=True,  # Ctrl-C is for the demo, which ends them when nothing is under way any more
    )  # fmt: skip


async def _url(process: asyncio.subprocess.Process, name: str) -> str:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise AgentFailed(f"The service of {name} did not start.", hint="`tutti doctor` checks what it needs.")
    return str(json.loads(line)["url"])


def _move_out(fleet: Fleet, name: str, url: str) -> None:
    """Replace the code of an agent by the address of the service that runs it. What the control plane decides by stays declared here."""
    for key, card in list(fleet.cards.items()):
        if card.name == name:
            del fleet.cards[key]
            for skill in card.skills:
                del fleet.functions[(*key, skill)]
            fleet.remote(
                url, department=card.department, owner=card.owner, name=name, concurrency=card.concurrency,
                skills={skill.name: _options(skill) for skill in card.skills.values()},
            )  # fmt: skip


def _options(skill: Skill) -> dict[str, Any]:
    options: dict[str, Any] = {field: getattr(skill, field) for field in ("when", "shares") if getattr(skill, field)}
    if skill.fresh_for is not None:
        options["fresh_for_ms"] = skill.fresh_for / timedelta(milliseconds=1)
    return options


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
