"""When what happened: the facts of a task, and of all that followed from it, as stretches of time that leave no gap.

Each task's stretches tile its life, from when it came in until it ended: it runs, or it waits for an agent, a person, a lease, other tasks or a time.
An agent that asked another one waits for that one's task as long as it is open. Over several tasks each instant counts once, for the first of these that
holds: somebody works; a person is waited for; an agent is; something else is. So the four parts add up to the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from tutti.clock import MICROS, to_text
from tutti.model.fact import Fact

Row = Mapping[str, Any]
Kind = Literal["run", "queue", "person", "lease", "join", "backoff", "question"]
SPANS = 2000  # that are told at most
_PARTS = ("working", "waiting_people", "waiting_agents", "waiting_other")
_PLACE = {"run": 0, "person": 1, "question": 1, "queue": 2, "lease": 3, "backoff": 3, "join": 4}  # the first of those that hold at an instant counts
_OF = {0: "working", 1: "waiting_people", 2: "waiting_agents", 3: "waiting_other", 4: "waiting_agents"}
_STATUS = {"run": "running", "queue": "queued", "person": "human", "question": "human", "lease": "waiting", "join": "waiting", "backoff": "waiting"}
_ENDS = {"task.completed": "done", "task.failed": "failed", "task.canceled": "failed", "task.rejected": "failed"}
_FIRST = {"joining": "join", "coalesced": "join"}


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of one task. `end` is None while it goes on."""

    task: str
    kind: Kind
    start: int
    end: int | None
    status: str
    agent: str | None = None
    version: str | None = None
    attempt: int | None = None
    note: str | None = None


class Placed(NamedTuple):
    """A task in the tree of what followed from one: its row, how deep it stands, and the task above it."""

    row: Row
    depth: int
    above: str | None


def timeline(placed: Sequence[Placed], facts: Sequence[Fact], now: int) -> dict[str, Any]:
    """The stretches, decisions and sums of a task (the first placed) and of what followed from it. `facts` are theirs and their approvals', in order."""
    by_task = _by_task(facts)
    lives = {place.row["id"]: list(life(by_task.get(place.row["id"], ()))) for place in placed}
    spans = {id: list(_asking(own, _asked(id, placed, lives))) for id, own in lives.items()}
    every = [span for place in placed for span in spans[place.row["id"]]]
    started, ended = min((span.start for span in every), default=now), max((span.end or now for span in every), default=now)
    top = placed[0].row
    sums = parts(every, now)
    cost = sum(fact.data.get("cost", 0) for fact in facts if fact.kind == "run.finished")
    told = [_told(span, place, number) for place in placed for number, span in enumerate(spans[place.row["id"]])]
    agents = dict.fromkeys(span.agent for span in sorted(every, key=lambda span: span.start) if span.agent and span.kind == "run")
    return {
        "schema": "tutti.timeline/1", "task": top["id"], "from_at": to_text(started), "until_at": None if any(span.end is None for span in every) else to_text(ended),
        **{f"{name}_ms": round(sums[name] / 1000, 3) for name in _PARTS}, "cost": cost / MICROS, "agents": list(agents), "trace": trace_of(top["trace"]),
        "spans": told[:SPANS], "truncated": len(told) > SPANS, "decisions": list(_decisions(facts)),
    }  # fmt: skip


def life(facts: Iterable[Fact]) -> Iterator[Span]:
    """One task's stretches, from its facts in order: the end of each is the start of the next. Those without any length are left out."""
    open: Span | None = None
    for fact in facts:
        following = _following(fact, open)
        if following is None and fact.kind not in _ENDS:
            continue
        if open is not None:
            status = _closing(open, fact)
            if fact.at > open.start or open.kind == "run":
                yield replace(open, end=fact.at, status=status, note=_note(open, fact))
        open = following
    if open is not None:
        yield open


def _following(fact: Fact, before: Span | None) -> Span | None:
    """The stretch that begins with a fact; None where none does."""
    data, at = fact.data, fact.at
    match fact.kind:
        case "task.submitted":
            return _span(fact.about, _FIRST.get(data["stage"], "queue"), at)
        case "task.coalesced":
            return _span(fact.about, "join", at, note=f"the same work: {data['into']}")
        case "task.joined" | "task.amended":
            return _span(fact.about, "queue", at)
        case "task.resumed":
            return _span(fact.about, "queue", at, note=data.get("reason"))
        case "approval.requested":
            return _span(data["task"], "person", at, note="; ".join(data["reasons"]))
        case "approval.answered" if data["answer"] == "approve":
            return _span(data["task"], "queue", at)
        case "task.queued":
            return _span(fact.about, "lease", at, note=data["reason"])
        case "task.parked":
            return _span(fact.about, "person", at, note=data["reason"])
        case "run.started":
            return Span(fact.about, "run", at, None, "running", data["agent"], data["version"], data["attempt"])
        case "task.asked":
            return replace(before, kind="question", start=at, status="human", note=None) if before else None
        case "task.answered":
            return replace(before, kind="run", start=at, status="running", note=None) if before else None
        case "run.finished":
            return _span(fact.about, "backoff" if data["next"] == "retry" else "queue", at)
        case _:
            return None


def _span(task: str, kind: str, at: int, note: str | None = None) -> Span:
    return Span(task, kind, at, None, _STATUS[kind], note=note)  # type: ignore[arg-type]


def _closing(span: Span, fact: Fact) -> str:
    """How a stretch ended."""
    if span.kind != "run":
        return span.status
    if fact.kind == "run.finished":
        return "done" if fact.data["outcome"] == "done" else "failed"
    return _ENDS.get(fact.kind, "done" if fact.kind == "task.asked" else "failed")


def _note(span: Span, fact: Fact) -> str | None:
    if fact.kind == "run.finished" and fact.data["outcome"] != "done":
        return f"{fact.data['outcome'].replace('_', ' ')}{': ' + fact.data['error'] if fact.data.get('error') else ''}"
    if span.kind == "person" and fact.kind == "approval.answered":
        return f"{fact.by} said {fact.data['answer']}{': ' + span.note if span.note else ''}"
    if span.kind == "person" and fact.kind == "task.amended":
        return f"{fact.by} changed the parameters{': ' + span.note if span.note else ''}"
    return span.note


def _asked(id: str, placed: Sequence[Placed], lives: Mapping[str, list[Span]]) -> list[tuple[int, int | None, str]]:
    """When the tasks below a task were open, with their ids: from, until (None: still), by start."""
    found = []
    for place in placed:
        own = lives[place.row["id"]]
        if place.row["parent"] == id and own:
            found.append((own[0].start, None if place.row["open"] else place.row["finished_at"], place.row["id"]))
    return sorted(found, key=lambda one: (one[0], one[2]))


def _asking(own: Sequence[Span], asked: Sequence[tuple[int, int | None, str]]) -> Iterator[Span]:
    """A task's stretches, in which a run that had asked others waits for them. What it proposed came in as it ended, and is nothing it waited for."""
    for span in own:
        if span.kind != "run":
            yield span
            continue
        at = span.start
        for start, end, id in asked:
            if start < span.start or (span.end is not None and start >= span.end):
                continue
            until = span.end if end is None else end if span.end is None else min(end, span.end)
            if until is not None and until <= at:
                continue
            if start > at:
                yield replace(span, start=at, end=start)
            at = max(at, start)
            yield Span(span.task, "join", at, until, "waiting", span.agent, span.version, span.attempt, f"asked {id}")
            if until is None:
                break
            at = until
        else:
            if span.end is None or at < span.end or at == span.start:
                yield replace(span, start=at)


def parts(spans: Iterable[Span], now: int) -> dict[str, int]:
    """Microseconds by what an instant counts as; they add up to the time in which any of the spans was open."""
    edges: list[tuple[int, int, int]] = []
    for span in spans:
        end = now if span.end is None else span.end
        if end > span.start:
            place = _PLACE[span.kind]
            edges += [(span.start, 1, place), (end, -1, place)]
    edges.sort()
    open, sums, last = [0] * 5, dict.fromkeys(_PARTS, 0), 0
    for at, change, place in edges:
        holds = next((number for number, count in enumerate(open) if count), None)
        if holds is not None:
            sums[_OF[holds]] += at - last
        open[place] += change
        last = at
    return sums


def _by_task(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        task = fact.data["task"] if fact.kind.startswith("approval.") else fact.about
        found.setdefault(task, []).append(fact)
    return found


def _told(span: Span, place: Placed, number: int) -> dict[str, Any]:
    row = place.row
    return {
        "id": f"{span.task}/{number}", "task": span.task, "parent": place.above, "depth": place.depth, "label": row["skill"], "skill": row["skill"], "agent": span.agent,
        "version": span.version, "kind": span.kind, "status": span.status, "attempt": span.attempt, "started_at": to_text(span.start),
        "ended_at": None if span.end is None else to_text(span.end), "note": span.note,
    }  # fmt: skip


def trace_of(traceparent: str | None) -> str | None:
    """The trace's id out of a W3C trace context."""
    return traceparent.split("-")[1] if traceparent and traceparent.count("-") >= 3 else None


def _decisions(facts: Iterable[Fact]) -> Iterator[dict[str, Any]]:
    """What was decided on the way, by whom, in order."""
    for fact in facts:
        told = _decided(fact)
        if told is not None:
            kind, question, chosen, margin = told
            task = fact.data["task"] if fact.kind.startswith(("approval.", "conflict.")) else fact.about
            yield {"seq": fact.seq, "at": to_text(fact.at), "task": task, "kind": kind, "question": question, "chosen": chosen, "margin": margin, "by": fact.by}


def _decided(fact: Fact) -> tuple[str, str, str, float | None] | None:
    data = fact.data
    match fact.kind:
        case "task.routed":
            return "route", f"Who does {data['skill']}?", f"{data['agent']} {data['version']}", margin_of(data)
        case "task.gated":
            return "gate", "May it be done?", data["verdict"] + (f": {data['reasons'][0]}" if data.get("reasons") else ""), None
        case "approval.answered":
            return "approval", "Does a person allow it?", data["answer"], None
        case "run.finished" if data["next"] in ("retry", "fallback", "park"):
            following = {"retry": "the same agent again", "fallback": "another agent", "park": "a person decides"}[data["next"]]
            return "retry", f"What follows attempt {data['attempt']}?", following, None
        case "task.coalesced":
            return "coalesce", "Is the same work under way?", f"yes: {data['into']}", data["similarity"] / MICROS if "similarity" in data else None
        case "conflict.resolved":
            return "conflict", f"Who goes first, {data['task']} or {data['other']}?", data["winner"] or data["outcome"], None
        case "plan.made" | "plan.changed":
            skills = [skill for skill in data["skills"] if skill]  # steps that wait or ask have none
            return "plan", "Which steps lead there?", ", ".join(skills[:6]) + (" …" if len(skills) > 6 else ""), None
        case "negotiation.settled":
            return "negotiation", "What do they agree on?", data["how"], None
        case _:
            return None


def margin_of(routed: Mapping[str, Any]) -> float | None:
    """By how much the chosen agent was ahead of the best other one; None where there was no other."""
    scores = [(row[0], row[1], row[8]) for row in routed["candidates"]]
    others = [score for agent, version, score in scores if (agent, version) != (routed["agent"], routed["version"])]
    return round(routed["score"] - max(others), 6) if others else None
