"""Calling commands as a person does: in this process, with what they print and how they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from tutti.cli.group import tutti

FLEET = """
from pydantic import BaseModel

from tutti import Context, Fleet

fleet = Fleet("{name}")


class Ticket(BaseModel):
    text: str
    refund: float = 0.0


class Refund(BaseModel):
    amount: float


@fleet.agent(skill="ticket.triage", department="support", attempts=1, owner="ana@example.com")
async def triage(ticket: Ticket, ctx: Context) -> str:
    if ticket.text == "boom":
        raise ValueError("an unlucky text")
    if ticket.refund:
        ctx.propose("refund.pay", Refund(amount=ticket.refund))
    return f"read {{ticket.text}}"


@fleet.agent(skill="ticket.ask", department="support", owner="ana@example.com")
async def asks(ticket: Ticket, ctx: Context) -> str:
    return f"told {{await ctx.input('Which account?')}}"


@fleet.action("refund.pay", department="finance", owner="ben@example.com", amount="amount", idempotent=True, says="Pay {{amount:.2f}} EUR.")
async def pay(refund: Refund, ctx: Context) -> str:
    return f"paid {{refund.amount:.2f}}"


fleet.on("ticket.opened", do="ticket.triage")
fleet.autonomy("refund.pay", level="act", up_to=100)
fleet.budget("refunds", action="refund.pay", money=1000)
"""


class Left(NamedTuple):
    """How a command left."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


def environment(folder: Path) -> dict[str, str]:
    """The environment of a command that works in `folder`, whatever this process has."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TUTTI_")}
    return {**kept, "TUTTI_FOLDER": str(folder / ".tutti"), "TUTTI_GRACE_SECONDS": "0", "TUTTI_LISTEN": "127.0.0.1:0", "NO_COLOR": "1"}


class Person:
    """Somebody in a folder of their own."""

    def __init__(self, folder: Path, fleet: str = "") -> None:
        self.folder = folder
        self.file = folder / f"{fleet or 'fleet'}.py"
        if fleet:
            self.file.write_text(FLEET.format(name=fleet))

    def __call__(self, *words: str, input: str = "", **environ: str) -> Left:
        """Run a command in this process."""
        result = CliRunner().invoke(tutti, list(words), input=input, env={**environment(self.folder), **environ})
        return Left(result.exit_code, result.stdout, result.stderr)

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Run a command as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "tutti.cli", *words], cwd=self.folder, env={**environment(self.folder), **environ}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, skill: str, input: Any, *more: str) -> Left:
        """`tutti run` with this person's fleet, in this process."""
        return self("run", skill, json.dumps(input), "--fleet", str(self.file), *more)
