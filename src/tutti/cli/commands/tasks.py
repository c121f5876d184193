"""`tutti tasks`: list, watch, show, cancel, answer, settle."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from tutti.cli.commands import words
from tutti.cli.commands.run import SOON, waited_for
from tutti.cli.inputs import Duration, json_of
from tutti.cli.options import Look, noun, pass_look
from tutti.cli.screen import Screen, ago, brief, pairs
from tutti.cli.wire import Api, connect
from tutti.clock import SystemClock, micros, to_text

_STATES = ["submitted", "working", "input-required", "completed", "failed", "canceled", "rejected"]
_WIDE = 60  # columns of a bar
_MARKS = {"run": "#", "queue": ".", "person": "!", "question": "!", "lease": "=", "join": "=", "backoff": "="}
_STATUSES = ["queued", "running", "waiting", "human", "done", "failed"]


@noun(default="list")
def tasks() -> None:
    """List tasks, newest first; show, cancel, answer or settle one."""


@tasks.command("list")
@click.option("--waiting", is_flag=True, help="Only what waits for a person.")
@click.option("--state", type=click.Choice(_STATES), help="Only tasks in this state.")
@click.option("--status", multiple=True, type=click.Choice(_STATUSES), help="Only tasks in this status; several times for several.")
@click.option("--retrying", is_flag=True, help="Only tasks whose attempts failed and that go on.")
@click.option("--since", type=Duration(), help="Only tasks that came in so long ago at most, like 24h.")
@click.option("--agent", help="Only tasks that this agent has or had.")
@click.option("--department", help="Only tasks of this department.")
@click.option("--find", metavar="WORDS", help="Only tasks whose id begins so, or with this in their skill or subject.")
@click.option("--skill", help="Only tasks of this skill.")
@click.option("--subject", help="Only tasks about this subject.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@click.option("--after", type=int, help="The page after this number (told at the end of the page before).")
@click.option("--watch", is_flag=True, help="Show it again and again until Ctrl-C.")
@click.option("--every", type=Duration(), default="1s", show_default=True, help="How often, with --watch.")
@pass_look
def list_(
    look: Look, waiting: bool, state: str | None, status: tuple[str, ...], retrying: bool, since: timedelta | None, agent: str | None, department: str | None,
    find: str | None, skill: str | None, subject: str | None, limit: int, after: int | None, watch: bool, every: timedelta,
) -> None:  # fmt: skip
    """List tasks, newest first."""
    screen = Screen(look)
    filters = {
        "state": state, "status": ",".join(status) or None, "retrying": retrying or None, "agent": agent, "department": department, "q": find, "skill": skill,
        "subject": subject,
    }  # fmt: skip
    with connect(look) as api:

        def page() -> dict[str, Any]:
            earliest = None if since is None else to_text(SystemClock().now() - micros(since))
            found: dict[str, Any] = api.get("/v1/tasks", waiting=waiting, since=earliest, limit=limit, after=after, **filters)
            return found

        if watch:
            follow(screen, api, page, lambda: time.sleep(every.total_seconds()))
        else:
            _page(screen, api, page(), waiting=waiting, filtered=since is not None or any(filters.values()))


def _page(screen: Screen, api: Api, page: dict[str, Any], *, waiting: bool, filtered: bool) -> None:
    found = page["tasks"]
    reasons = _reasons(api) if not screen.look.machine and any(task["stage"] == "approval" for task in found) else {}
    first = next((task for task in found if task["waiting_for"] == "person"), None)
    empty = "Nothing waits for you." if waiting else "No task fits these filters." if filtered else "There are no tasks yet."
    following = words.what_to_do(first) if first else f"tutti why {found[0]['id']}" if found else "tutti send TYPE DATA"
    screen.list(
        found,
        {
            "STATE": words.state,
            "TASK": lambda task: task["id"],
            "SKILL": lambda task: task["skill"],
            "AGENT": words.agent,
            "SINCE": lambda task: words.age(task["submitted_at"]),
            "WAITS FOR": lambda task: words.need(task, reasons),
        },
        empty=empty,
        next=following,
    )
    if page["next"] is not None:
        screen.say(f"There are more: --after {page['next']}")


def _reasons(api: Api) -> dict[str, str]:
    return {approval["task"]: "; ".join(approval["reasons"]) for approval in api.get("/v1/approvals", limit=1000)}


def follow(screen: Screen, api: Api, page: Callable[[], dict[str, Any]], pause: Callable[[], None]) -> None:
    """Show the page again and again: redrawn on a terminal, elsewhere each task when it is new or has changed."""
    redraw = sys.stdout.isatty() and not screen.look.machine
    shown: dict[str, Any] = {}
    while True:
        found = page()
        if redraw:
            click.echo("\x1b[H\x1b[2J", nl=False)
            _page(screen, api, found, waiting=False, filtered=True)
        else:
            for task in reversed(found["tasks"]):
                if shown.get(task["id"]) != task:
                    shown[task["id"]] = task
                    _changed(screen, task)
        pause()


def _changed(screen: Screen, task: dict[str, Any]) -> None:
    if screen.look.machine:
        import orjson

        click.echo(orjson.dumps(task))  # a line each, whatever --json says: a stream has no end to close a list at
    else:
        screen.text(f"{words.state(task):<13}  {task['id']}  {task['skill']}  {words.agent(task)}  {words.need(task)}".rstrip())


@tasks.command()
@click.argument("id")
@pass_look
def show(look: Look, id: str) -> None:
    """Show a task with its input and output."""
    screen = Screen(look)
    with connect(look) as api:
        task = api.get("/v1/tasks/{}", id)
        line = None if look.machine else api.get("/v1/tasks/{}/timeline", id)
    _show(screen, task, line)


def _show(screen: Screen, task: dict[str, Any], line: dict[str, Any] | None) -> None:
    if screen.look.machine:
        screen.data(task)
        return
    quality = None if task["quality"] is None else f"{task['quality']:.2f} ({task['quality_source']})"
    screen.text(
        pairs([
            ("task", task["id"]), ("state", words.state(task)), ("reason", task["reason"]), ("skill", f"{task['skill']} ({task['nature']})"), ("department", task["department"]),
            ("agent", words.agent(task)), ("subject", task["subject"]), ("amount", words.amount(task)), ("priority", task["priority"] or None), ("attempts", task["attempts"]),
            ("quality", quality), ("signal", task["signal"]), ("parent", task["parent"]), ("result of", task["coalesced_into"]), ("approval", task["approval"]),
            ("submitted", task["submitted_at"]), ("started", task["started_at"]), ("finished", task["finished_at"]), ("deadline", task["deadline_at"]),
            ("progress", f"{task['progress']:.0%} {task['doing']}" if "progress" in task else None),
            ("input", "erased" if task["erased"] else brief(task["input"], 2000)),
            ("output", None if task["output"] is None else brief(task["output"], 2000)),
            ("detail", None if task["detail"] is None else brief(task["detail"], 2000)),
            ("asks", task["question"] if task["stage"] == "asking" else None),
        ])
    )  # fmt: skip
    if line is not None:
        _times(screen, line)
    screen.next(words.what_to_do(task) if task["waiting_for"] == "person" else f"tutti why {task['id']}")


def _times(screen: Screen, line: dict[str, Any]) -> None:
    """A task's time and that of all that followed from it, a bar for each."""
    names = {
        "working": "working_ms",
        "waiting for agents": "waiting_agents_ms",
        "waiting for people": "waiting_people_ms",
        "waiting for others": "waiting_other_ms",
    }
    shares = [f"{ago(line[field] / 1000)} {name}" for name, field in names.items() if line[field]]
    if not shares:
        return
    screen.heading(f"\n{', '.join(shares)}")
    now = to_text(SystemClock().now())
    start, end = words.seconds(line["from_at"]), words.seconds(line["until_at"] or now)
    bars: dict[str, list[str]] = {}
    for span in line["spans"]:
        bar = bars.setdefault(span["task"], [" "] * _WIDE)
        first = int((words.seconds(span["started_at"]) - start) / max(end - start, 0.001) * _WIDE)
        last = int((words.seconds(span["ended_at"] or now) - start) / max(end - start, 0.001) * _WIDE)
        for place in range(min(first, _WIDE - 1), min(max(last, first + 1), _WIDE)):
            bar[place] = _MARKS[span["kind"]] if bar[place] == " " or span["kind"] == "run" else bar[place]
    for task, bar in bars.items():
        span = next(span for span in line["spans"] if span["task"] == task)
        screen.text(f"{('  ' * span['depth'] + span['skill'])[:24]:<24} |{''.join(bar)}|")
    screen.text(f"{'':<24}  # runs  . waits for an agent  ! for a person  = for a lease, others or a time" + ("  (there is more)" if line["truncated"] else ""))


@tasks.command()
@click.argument("id")
@click.option("--reason", default="", help="Why; it stands in the record.")
@pass_look
def cancel(look: Look, id: str, reason: str) -> None:
    """Cancel an open task. What already happened outside stays."""
    _act(look, "/v1/tasks/{}/cancel", id, "canceled", reason=reason)


@tasks.command()
@click.argument("id")
@click.argument("value")
@pass_look
def answer(look: Look, id: str, value: str) -> None:
    """Answer what an agent asks. VALUE is JSON, @file or -; words that are no JSON are taken as a text."""
    from tutti.errors import Invalid

    try:
        given = json_of(value, "the answer")
    except Invalid:
        if value.startswith("@") or value[:1] in '{["':
            raise
        given = value
    _act(look, "/v1/tasks/{}/answer", id, "answered", value=given)


@tasks.command()
@click.argument("id")
@click.argument("how", type=click.Choice(["again", "happened", "drop"]))
@click.option("--reason", default="", help="Why; it stands in the record.")
@pass_look
def settle(look: Look, id: str, how: str, reason: str) -> None:
    """Decide about a parked task: send it on again, say that it happened, or drop it."""
    _act(look, "/v1/tasks/{}/settle", id, {"again": "sent on again", "happened": "settled as happened", "drop": "dropped"}[how], how=how, reason=reason)


def _act(look: Look, path: str, id: str, done: str, **body: Any) -> None:
    screen = Screen(look)
    with connect(look) as api:
        api.post(path, id, **body)
        task = waited_for(api, id, SOON)["task"]
        if look.machine:
            screen.data(task)
            return
        screen.done(f"{done}: {id} {words.stands(task)}")
        screen.next(f"tutti why {id}")
