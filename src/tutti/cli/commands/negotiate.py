"""`tutti negotiate` and `tutti negotiations`: open one and wait for it; list them, show one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click

from tutti.cli import exits
from tutti.cli.commands.run import nobody, waited_for
from tutti.cli.inputs import Duration, json_of
from tutti.cli.options import Look, command, noun, pass_look
from tutti.cli.screen import Screen, pairs
from tutti.cli.wire import connect
from tutti.errors import Invalid


@command()
@click.argument("case")
@click.option("--fleet", "address", metavar="FILE", help="Run this fleet here for it, when no `tutti up` does.")
@click.option("--subject", metavar="S", help="Whom it is about.")
@click.option("--deadline", type=Duration(), help="It is decided by then, for example 30s; otherwise as CASE says, or 60s.")
@click.option("--wait/--detach", default=True, help="Wait for its end (the default), or print its id and leave.")
@pass_look
def negotiate(look: Look, case: str, address: str | None, subject: str | None, deadline: timedelta | None, wait: bool) -> int:
    """Have agents settle CASE (JSON, @file or -): {"issues": {…}, "parties": {…}, "policy": […], "fallback": {…}}."""
    screen = Screen(look)
    body = json_of(case, "the case")
    if not isinstance(body, dict):
        raise Invalid(
            "The case is no object.", hint='{"issues": {"price": ["-10 %", "0 %"]}, "parties": {"renewal": 2, "pricing": 1}, "fallback": {"price": "0 %"}}'
        )
    body |= {name: value for name, value in (("subject", subject),) if value is not None}
    if deadline is not None:
        body["deadline_ms"] = max(int(deadline.total_seconds() * 1000), 1)
    fleet = None
    if address is not None:
        from tutti.cli.loading import load_fleet

        fleet = load_fleet(address)
    with connect(look, fleet) as api:
        id = api.call("POST", "/v1/negotiations", body=body)["negotiation"]
        if not wait:
            screen.data({"negotiation": id}) if look.machine else screen.text(id)
            return exits.OK
        screen.say(f"negotiation {id}")
        waited = waited_for(api, id, None, alone=True)  # a question that nobody can take is given up by its mediator
        task = waited["task"]
        if not (waited["done"] or waited["waits"] or waited["running"]):
            if look.machine:
                screen.data(task)  # it is no negotiation before somebody has opened it
            return nobody(screen, task)
        if look.machine:
            screen.data(api.get("/v1/negotiations/{}", id))
        else:
            _settled(screen, task["output"] or {"how": task["state"], "outcome": None, "why": task["detail"] or task["reason"] or ""})
            screen.next(f"tutti negotiations show {id}")
    return exits.OK if task["state"] == "completed" else exits.NEEDS_A_HUMAN if task["state"] == "input-required" else exits.FAILED


@noun(default="list")
def negotiations() -> None:
    """List negotiations, newest first; show one."""


@negotiations.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@click.option("--after", type=int, help="The page after this number.")
@pass_look
def list_(look: Look, limit: int, after: int | None) -> None:
    """List negotiations, newest first."""
    screen = Screen(look)
    with connect(look) as api:
        page = api.get("/v1/negotiations", limit=limit, after=after)
    found = page["negotiations"]
    screen.list(
        found,
        {
            "NEGOTIATION": lambda row: row["id"],
            "PARTIES": lambda row: ", ".join(row["parties"]),
            "STATE": lambda row: row["state"],
            "ENDED": lambda row: row["how"] or "",
            "ROUNDS": lambda row: row["rounds"],
            "MESSAGES": lambda row: row["messages"],
            "UNANSWERED": lambda row: row["missing"],
        },
        empty="There are no negotiations yet.",
        next=f"tutti negotiations show {found[0]['id']}" if found else "tutti negotiate @case.json",
    )


@negotiations.command("show")
@click.argument("id")
@pass_look
def show(look: Look, id: str) -> None:
    """Show one negotiation: what was said in each round, what it ended with and why."""
    screen = Screen(look)
    with connect(look) as api:
        found = api.get("/v1/negotiations/{}", id)
    if look.machine:
        screen.data(found)
        return
    for each in found["rounds_told"]:
        screen.heading(f"Round {each['round']}")
        for said in each["said"]:
            screen.text(f"  {said['party']}: {_told(said)}")
    if found["settled"]:
        _settled(screen, found["settled"])
    for sentence in found["explained"]:
        screen.text(sentence)
    screen.next(f"tutti why {id}")


@negotiations.command("take-over")
@click.argument("id")
@click.option("--outcome", metavar="JSON", help="One value for each issue (JSON, @file or -); without it the fallback stands.")
@click.option("--note", default="", help="Why; it stands in the record.")
@pass_look
def take_over(look: Look, id: str, outcome: str | None, note: str) -> None:
    """End a negotiation that goes on, as you say."""
    screen = Screen(look)
    said = None if outcome is None else json_of(outcome, "the outcome")
    with connect(look) as api:
        found = api.post("/v1/negotiations/{}/take-over", id, outcome=said, note=note)
    if look.machine:
        screen.data(found)
        return
    _settled(screen, found["settled"])
    screen.next(f"tutti why {id}")


def _told(said: Mapping[str, Any]) -> str:
    if said["missing"]:
        return f"{said['ask']}: no answer ({said['missing']})"
    if said["ask"] not in ("respond", "confirm", "offer"):
        asked = len(said.get("outcomes", ())) or sum(map(len, said.get("lists", ())))
        accepted = f": {sum(said['answer'])} accepted" if said["ask"] == "screen" else ""
        return f"{said['ask']} {asked} outcomes{accepted}" if asked else said["ask"]
    if said["ask"] == "offer" and said["counter"]:
        return f"offers {_outcome(said['counter'])}" + (f", which is a pass: {', '.join(said['refused'])}" if said.get("refused") else "")
    counter = f" with {_outcome(said['counter'])}" if said["counter"] else ""
    return f"{said['answer'] or 'pass'} {_outcome(said['outcome'] or {})}{counter}"


def _settled(screen: Screen, settled: Mapping[str, Any]) -> None:
    shown = {"how": settled["how"], "outcome": _outcome(settled["outcome"]) if settled["outcome"] else "nothing", "why": settled["why"]}
    shown |= {f"gain of {name}": f"{gain:+.3g}" for name, gain in (settled.get("gains") or {}).items() if gain is not None}
    if better := settled.get("better"):
        shown["better"] = f"{_outcome(better['outcome'])} (a person must approve: {', '.join(better['needs']) or settled['why']})"
    screen.text(pairs(shown.items()))


def _outcome(outcome: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in outcome.items())
