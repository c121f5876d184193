"""`tutti agents`: list, show, set-level, enrol."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import click

from tutti.cli.options import Look, noun, pass_look
from tutti.cli.screen import Screen, brief, pairs
from tutti.cli.wire import connect

_LEVELS = {0: "shadow", 1: "suggest", 2: "approve", 3: "veto window", 4: "act"}


@noun(default="list")
def agents() -> None:
    """Who is good at what; show an agent, set how far an action goes alone."""


@agents.command("list")
@click.option("--skill", help="Only agents that offer this skill.")
@pass_look
def list_(look: Look, skill: str | None) -> None:
    """List live agents, a line for each skill, with what is believed of them."""
    screen = Screen(look)
    with connect(look) as api:
        found = [row for row in api.get("/v1/agents") if skill in (None, row["skill"])]
    screen.list(
        found,
        {
            "AGENT": lambda row: f"{row['name']} {row['version']}",
            "DEPARTMENT": lambda row: row["department"],
            "SKILL": lambda row: row["skill"],
            "QUALITY": lambda row: f"{row['quality']:.2f} ({row['low']:.2f}–{row['high']:.2f})",
            "JUDGED": lambda row: row["judged"],
            "MEAN MS": lambda row: "" if row["mean_ms"] is None else f"{row['mean_ms']:.1f}",
            "RUNNING": lambda row: f"{row['running']}/{row['concurrency']}",
            "LEVEL": _level,
            "HEALTH": lambda row: row["health"],
        },
        empty=f"No agent offers {skill}." if skill else "There are no agents yet.",
        next=f"tutti agents show {found[0]['name']}" if found else "tutti up fleet.py",
    )


def _level(row: Mapping[str, Any]) -> str:
    if row["level"] is None:
        return "advice"
    return _LEVELS[row["level"]] + ("" if row["up_to"] is None else f" up to {row['up_to']:g}")


@agents.command()
@click.argument("name")
@pass_look
def show(look: Look, name: str) -> None:
    """Show the cards of all versions of an agent, with the schemas of its skills."""
    screen = Screen(look)
    with connect(look) as api:
        card = api.get("/v1/agents/{}", name)
        rows = [row for row in api.get("/v1/agents") if row["name"] == name]
    if look.machine:
        screen.data(card)
        return
    for version in card["versions"]:
        screen.heading(f"{name} {version.get('version', '')}  {version['state']} since {version['since']}")
        screen.text(
            pairs(
                [
                    ("department", version.get("department")),
                    ("owner", version.get("owner")),
                    ("concurrency", version.get("concurrency")),
                    ("digest", version["digest"]),
                ]
            )
        )
        for skill in _skills(version):
            screen.text(
                f"  {skill.get('name', '')} ({skill.get('nature', '')}) {(skill.get('description') or '').splitlines()[0] if skill.get('description') else ''}".rstrip()
            )
            for what in ("input_schema", "output_schema"):
                if skill.get(what) is not None:
                    screen.text(f"    {what.removesuffix('_schema'):<6}  {brief(skill[what], 600)}")
    for row in rows:
        screen.text(f"  {row['skill']}: quality {row['quality']:.2f} ({row['low']:.2f}–{row['high']:.2f}), {row['judged']} judged, {_level(row)}")
    screen.next(f"tutti tasks --skill {rows[0]['skill']}" if rows else "tutti agents")


def _skills(version: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    skills = version.get("skills") or {}
    return [{"name": name, **skill} for name, skill in skills.items()] if isinstance(skills, dict) else list(skills)


@agents.command("set-level")
@click.argument("skill")
@click.argument("level", type=click.Choice(["approve", "act"]))
@click.option("--up-to", type=float, help="The largest amount it may act on alone; above it a person is asked.")
@click.option("--reason", default="", help="Why; it stands in the record.")
@pass_look
def set_level(look: Look, skill: str, level: str, up_to: float | None, reason: str) -> None:
    """Set how far the action SKILL goes alone: approve (a person says yes first) or act."""
    screen = Screen(look)
    if up_to is not None and not (isfinite(up_to) and up_to >= 0):
        raise click.UsageError(f"--up-to {up_to} is no amount.")  # JSON has no NaN: it would arrive as no limit at all
    with connect(look) as api:
        answer = api.call("PUT", "/v1/levels/{}", skill, body={"level": level, "up_to": up_to, "reason": reason})
    if look.machine:
        screen.data(answer)
        return
    screen.done(f"{skill}: {level}" + ("" if up_to is None else f" up to {up_to:g}") + ", from the next decision on")
    screen.next("tutti agents")


@agents.command()
@click.argument("name")
@click.option("--department", required=True, help="Where it belongs.")
@click.option("--owner", default="", help="Who answers for it.")
@pass_look
def enrol(look: Look, name: str, department: str, owner: str) -> None:
    """Make a one-use code with which the agent NAME comes in within 15 minutes and is bound to its key."""
    screen = Screen(look)
    with connect(look) as api:
        made = api.call("POST", "/v1/enrolments", body={"name": name, "department": department, "owner": owner})
    if look.machine:
        screen.data(made)
        return
    screen.done(f"{name} may come in until {made['expires_at']}, once, with this code")
    screen.text(made["code"])
