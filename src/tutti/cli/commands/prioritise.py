"""`tutti prioritise`: one order out of several departments'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tutti.cli.inputs import json_of
from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen, count
from tutti.cli.wire import connect
from tutti.errors import Invalid

_FIELDS = ("tasks", "skill", "ballots", "weights", "must_precede", "most")


@command()
@click.argument("ballots", metavar="BALLOTS")
@click.option("--skill", help="Rank all waiting tasks of this skill; without it those of the ballots.")
@click.option("--most", type=click.FloatRange(0, 1, min_open=True), help="One department's largest share of the weight. [0.5]")
@pass_look
def prioritise(look: Look, ballots: str, skill: str | None, most: float | None) -> None:
    """Put waiting tasks into one order out of several departments' BALLOTS: JSON, @file or -.

    A plain {"sales": ["t-1", "t-2"], "support": [...]} will do: each ballot names tasks, the most urgent first. Or an object with ballots, and
    besides it tasks or skill, weights (by department), must_precede (pairs of tasks) and most.
    """
    screen = Screen(look)
    body = _body(json_of(ballots, "the ballots"))
    if skill is not None:
        body["skill"] = skill
        body.pop("tasks", None)
    elif "tasks" not in body and "skill" not in body:
        body["tasks"] = list(dict.fromkeys(task for ballot in body["ballots"].values() for task in ballot))
    if most is not None:
        body["most"] = most
    with connect(look) as api:
        ranked = api.post("/v1/priorities", **body)
    if look.machine:
        screen.data(ranked)
        return
    screen.done(f"{count(len(ranked['order']), 'task')} in one order, which follows {ranked['support']:.0%} of what was wished")
    for entry in ranked["order"]:
        reasons = "; ".join(f"behind {pair['task']}: {pair['why']}" for pair in entry["behind"][:2])
        screen.say(f"{entry['place'] + 1:4d}  {entry['task']}{f'   {reasons}' if reasons else ''}")
    screen.next(f"tutti why {ranked['order'][0]['task']}")


def _body(value: Any) -> dict[str, Any]:
    """What is sent: an object with ballots, or the ballots alone."""
    found = dict(value) if isinstance(value, Mapping) else {}
    if "ballots" not in found:
        found = {"ballots": found}
    known = isinstance(found["ballots"], Mapping) and found["ballots"] and all(isinstance(ballot, list) for ballot in found["ballots"].values())
    if not known or set(found) - set(_FIELDS):
        raise Invalid("These are no ballots.", hint='Write {"sales": ["t-…", "t-…"], "support": ["t-…"]}, the most urgent first.')
    return found
