"""`tutti send`: signals."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import click

from tutti.cli.inputs import file_text, json_of, parsed
from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen, count, undecided
from tutti.cli.wire import Api, connect
from tutti.clock import SystemClock, to_text
from tutti.errors import Invalid, NotFound, Refused

_SHOWN = 8  # tasks named after one signal


@command()
@click.argument("type", required=False)
@click.argument("data", required=False)
@click.option("--subject", metavar="S", help="Whom it is about, for example account/7.")
@click.option("--id", help="The event's id; the same id from the same source is taken in once. [a new one]")
@click.option("--source", default="/cli", show_default=True, help="Where it comes from.")
@click.option("--priority", type=int, help="Higher goes first.")
@click.option("--event", "file", metavar="FILE", help="Whole CloudEvents instead: one, a list, or one a line; - for standard input.")
@pass_look
def send(look: Look, type: str | None, data: str | None, subject: str | None, id: str | None, source: str, priority: int | None, file: str | None) -> None:
    """Send a signal: something of TYPE happened. DATA is JSON, @file or -."""
    screen = Screen(look)
    if file is not None:
        if type or data or subject or id:
            raise click.UsageError("--event brings the whole event; leave TYPE, DATA, --subject and --id out.")
        events = list(_events(file))
    else:
        if not type:
            raise click.UsageError("Name the signal's TYPE, for example ticket.opened, or give --event FILE.")
        event: dict[str, Any] = {"specversion": "1.0", "id": id or uuid.uuid4().hex, "source": source, "type": type, "time": to_text(SystemClock().now())}
        event |= {name: value for name, value in (("subject", subject), ("priority", priority)) if value is not None}
        events = [event if data is None else {**event, "data": json_of(data, "the data")}]
    with connect(look) as api:
        if len(events) == 1:
            _one(screen, api, events[0])
        else:
            _many(screen, api, events)


def _events(file: str) -> Iterator[Any]:
    text = sys.stdin.read() if file == "-" else file_text(file, "events")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].rstrip().endswith("}"):
        for number, line in enumerate(lines, 1):
            yield parsed(line, f"line {number} of {file}")
        return
    value = parsed(text, file)
    yield from value if isinstance(value, list) else [value]


def _one(screen: Screen, api: Api, event: Any) -> None:
    sent = api.call("POST", "/v1/signals", body=event)
    if screen.look.machine:
        screen.data(sent)
        return
    tasks = [api.get("/v1/tasks/{}", id) for id in sent["tasks"][:_SHOWN]]
    if sent["duplicate"]:
        screen.text(f"signal {sent['signal']} was taken in before")
    elif not tasks:
        screen.text(f"signal {sent['signal']}")
        screen.say("No subscription takes it up.")
    if not sent["duplicate"]:
        with suppress(NotFound, Refused):  # who may only send is not told what listens
            for each in api.get("/v1/signals/{}", sent["signal"])["undecided"]:
                screen.say(undecided(each))
    for place, task in enumerate(tasks):
        screen.text(
            f"signal {sent['signal']} → task {task['id']} {task['skill']}"
            if not place
            else f"{'':{len(sent['signal']) + 7}} → task {task['id']} {task['skill']}"
        )
    if not api.served and tasks:
        screen.say("It is kept; its tasks are done when `tutti up` runs.")
    screen.next(f"tutti why --lineage {sent['signal']}")


def _many(screen: Screen, api: Api, events: list[Any]) -> None:
    known, tasks = 0, 0
    with screen.bar("signals") as report:
        for number, event in enumerate(events, 1):
            try:
                sent = api.call("POST", "/v1/signals", body=event)
            except Invalid as error:
                raise Invalid(
                    f"Event {number} of {len(events)}: {error.message}",
                    hint=f"{error.hint} The {number - 1} before it are taken in; sending all again takes none twice.",
                ) from None
            known += sent["duplicate"]
            tasks += len(sent["tasks"])
            report(number, len(events))
            if screen.look.output == "ndjson":
                screen.data(sent)
    if screen.look.output == "json":
        screen.data({"signals": len(events) - known, "known_before": known, "tasks": tasks})
    elif screen.look.output != "ndjson":
        screen.text(f"{count(len(events) - known, 'signal')} taken in, {known:,} known before, {count(tasks, 'task')}")
        screen.next("tutti tasks")
