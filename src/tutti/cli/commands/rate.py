"""`tutti rate`: a person's judgement."""

from __future__ import annotations

import click

from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen
from tutti.cli.wire import connect


@command()
@click.argument("id")
@click.argument("quality", type=click.FloatRange(0, 1))
@click.argument("note", default="")
@pass_look
def rate(look: Look, id: str, quality: float, note: str) -> None:
    """Rate the finished task ID from 0 (useless) to 1 (perfect), with a NOTE why. The next route moves."""
    screen = Screen(look)
    with connect(look) as api:
        task = api.post("/v1/tasks/{}/rating", id, quality=quality, note=note)
        if look.machine:
            screen.data(task)
            return
        now = [row for row in api.get("/v1/agents") if (row["name"], row["version"], row["skill"]) == (task["agent"], task["version"], task["skill"])]
        screen.done(f"rated {quality:g}")
        for row in now:
            screen.say(
                f"{row['name']} {row['version']} at {row['skill']}: quality {row['quality']:.2f} ({row['low']:.2f}–{row['high']:.2f}), {row['judged']} judged"
            )
        screen.next("tutti agents")
