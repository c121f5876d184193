"""What must hold after every run, read from the journal's file and from the world's memory alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from sim_fleet import IDEMPOTENT

from tutti.app import FOLDS, TABLES
from tutti.clock import MICROS
from tutti.journal import open_journal, rebuild, verify
from tutti.model.fact import Fact
from tutti.model.task import ENDED_STATES
from tutti.settings import Settings
from tutti.testing import World
from tutti.testing.clocks import START

ENDS = {"task.completed", "task.failed", "task.canceled", "task.rejected"}


@dataclass
class Told:
    """What the workspace acknowledged to those outside, as they remember it."""

    signals: dict[str, list[str]] = field(default_factory=dict)  # id of the signal → its tasks
    tasks: list[str] = field(default_factory=list)
    approvals: dict[str, str] = field(default_factory=dict)  # task → answer
    answers: list[str] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    kills: list[list[Any]] = field(default_factory=list)  # [scope, name, acknowledged at, lifting began at or None], seconds of the loop


async def facts_of(settings: Settings) -> tuple[list[Fact], list[dict[str, Any]], list[dict[str, Any]]]:
    """All facts, task rows and spending rows of a journal that is closed."""
    journal = open_journal(settings.place, settings.workspace, tables=TABLES, folds=FOLDS, write=False)
    await journal.start()
    facts: list[Fact] = []
    while more := await journal.facts(after=facts[-1].seq if facts else 0, limit=1000):
        facts += more
    tasks = await journal.select("SELECT * FROM task ORDER BY seq")
    spending = await journal.select("SELECT * FROM spending")
    await journal.close()
    return facts, tasks, spending


async def violations(settings: Settings, told: Told, worlds: dict[str, World], limits: dict[str, int], broken: list[str]) -> list[str]:
    """Every promise that does not hold, in words; empty when all do."""
    facts, rows, spending = await facts_of(settings)
    about: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        about[fact.about].append(fact)
    tasks = {row["id"]: row for row in rows}
    found = list(broken)
    report = verify(settings.place, witness=settings.witness)
    if not report.ok:
        found.append(f"the journal does not verify: {report.message}")
    found += [f"replay differs: {difference}" for difference in rebuild(settings.place, TABLES, FOLDS, most=3)]
    found += _lost(told, about)
    found += _unended(tasks, about)
    found += _effects(tasks, about, worlds)
    found += _budgets(facts, spending, tasks, worlds, limits)
    found += _killed(told, worlds, about)
    return found


def _lost(told: Told, about: dict[str, list[Fact]]) -> list[str]:
    found = []
    for signal, tasks in told.signals.items():
        if not any(fact.kind == "signal.received" for fact in about[signal]):
            found.append(f"signal {signal} was acknowledged and is lost")
        found += [f"task {task} of signal {signal} was acknowledged and is lost" for task in tasks if not about[task]]
    found += [f"task {task} was acknowledged and is lost" for task in told.tasks if not about[task]]
    for approval, answer in told.approvals.items():
        answers = [fact.data["answer"] for fact in about[approval] if fact.kind == "approval.answered"]
        if answers != [answer]:
            found.append(f"approval {approval} was answered {answer}, the journal says {answers}")
    found += [f"the answer to {task} was acknowledged and is lost" for task in told.answers if not any(fact.kind == "task.answered" for fact in about[task])]
    found += [f"{task} was canceled and is not" for task in told.canceled if not any(fact.kind == "task.canceled" for fact in about[task])]
    keys = Counter(fact.data["key"] for facts in about.values() for fact in facts if fact.kind == "signal.received")
    found += [f"a signal was taken in {times} times" for times in keys.values() if times > 1]
    return found


def _unended(tasks: dict[str, Any], about: dict[str, list[Fact]]) -> list[str]:
    found = []
    for id, row in tasks.items():
        ends = [fact for fact in about[id] if fact.kind in ENDS]
        if row["open"]:
            found.append(f"{row['skill']} {id} never ended: {row['stage']} ({row['reason']})")
        elif row["stage"] != "ended" or row["state"] not in {state.value for state in ENDED_STATES}:
            found.append(f"{row['skill']} {id} has ended and stands as {row['state']}, {row['stage']}")
        if len(ends) != (0 if row["open"] else 1):
            found.append(f"{id} ended {len(ends)} times")
        later = [fact.kind for fact in about[id] if ends and fact.seq > ends[0].seq and fact.kind.startswith(("run.", "task.")) and fact.kind != "task.judged"]
        if later:
            found.append(f"{id} went on after its end: {later}")
        found += [f"{row['skill']} {id} completed without an output" for fact in ends if fact.kind == "task.completed" and not fact.data.get("output")]
        parked = [fact.data.get("reason", "") for fact in about[id] if fact.kind == "task.parked"]
        found += [f"{row['skill']} {id} was parked: {reason or 'no reason'}" for reason in parked if not reason or "could not advance" in reason]
    return found


def _effects(tasks: dict[str, Any], about: dict[str, list[Fact]], worlds: dict[str, World]) -> list[str]:
    found = []
    for skill, world in worlds.items():
        calls: dict[str, list[int]] = defaultdict(list)
        for call in world.calls:
            calls[call.task].append(START + round(call.at * MICROS))
        for task, times in calls.items():
            if task not in tasks:
                found.append(f"{skill} {task} was called and is not in the journal")
                continue
            sent_on = sum(fact.kind == "task.resumed" and fact.by.startswith("person/") for fact in about[task])
            happened = sum(effect.task == task for effect in world.effects)
            if happened > 1 + (0 if IDEMPOTENT[skill] else sent_on):
                found.append(f"{skill} {task} had its effect {happened} times")
            if not IDEMPOTENT[skill] and len(times) > 1 + sent_on:
                found.append(f"{skill} {task} is not idempotent and was called {len(times)} times")
            starts = [fact for fact in about[task] if fact.kind == "run.started"]
            if len(times) > len(starts) or any(start.at > at for start, at in zip(starts, times, strict=False)):
                found.append(f"{skill} {task} was called {len(times)} times with {len(starts)} runs, or before its run was recorded")
        found += [problem for task in calls if task in tasks for problem in _ungated(skill, task, about)]
    return found


def _ungated(skill: str, task: str, about: dict[str, list[Fact]]) -> list[str]:
    """Every first attempt rests on a verdict that allows it, and where a person was to be asked, on a yes to exactly this."""
    found = []
    used: Counter[str] = Counter()
    allowed: Fact | None = None
    for fact in about[task]:
        if fact.kind == "task.gated":
            allowed = fact if fact.data["verdict"] == "allow" else None
        elif fact.kind == "run.started" and allowed is None:
            found.append(f"{skill} {task} ran without a verdict that allows it")
        elif fact.kind == "run.finished" and fact.data["next"] == "fallback":
            allowed = None
        if fact.kind != "task.gated" or fact.data["verdict"] != "allow":
            continue
        data = fact.data
        if data["level"] < 4 or (data["up_to"] is not None and (data["amount"] or 0) > data["up_to"]):
            approval = data["approval"]
            answered = [one for one in about[approval or ""] if one.kind == "approval.answered" and one.seq < fact.seq]
            asked = [one for one in about[approval or ""] if one.kind == "approval.requested" and one.data["task"] == task]
            if not asked or [one.data["answer"] for one in answered] != ["approve"] or answered[0].data["input"] != asked[0].data["input"]:
                found.append(f"{skill} {task} was allowed without a person's yes")
            used[approval or ""] += 1
    found += [f"approval {approval} was used {times} times" for approval, times in used.items() if times > 1]
    return found


def _budgets(facts: list[Fact], spending: list[dict[str, Any]], tasks: dict[str, Any], worlds: dict[str, World], limits: dict[str, int]) -> list[str]:
    found = []
    held: dict[str, int] = defaultdict(int)  # millionths of money, or a count
    reserved: dict[str, int] = defaultdict(int)  # per task
    for fact in facts:
        if fact.kind == "task.gated" and fact.data["verdict"] == "allow":
            for reserve in fact.data.get("reserve", ()):
                amount = reserve["money"] if reserve["money_limit"] is not None else reserve["count"] * MICROS
                held[reserve["budget"]] += amount
                reserved[fact.about] += amount
        for budget, _, money, count in fact.data.get("release", ()):
            amount = money if budget == "refunds" else count * MICROS
            held[budget] -= amount
            reserved[fact.about] -= amount
        found += [
            f"budget {name} stood at {held[name] / MICROS} of {limit} after fact {fact.seq}" for name, limit in limits.items() if held[name] > limit * MICROS
        ]
    for row in spending:
        if row["money" if row["budget"] == "refunds" else "count"] * (1 if row["budget"] == "refunds" else MICROS) != held[row["budget"]]:
            found.append(f"the view says {row} is spent, the facts say {held[row['budget']]}")
    for skill in ("refund.pay", "mail.send"):
        for effect in worlds[skill].effects:
            need = tasks[effect.task]["amount"] if skill == "refund.pay" else MICROS
            if effect.task in tasks and reserved[effect.task] < need:
                found.append(f"{skill} {effect.task} happened, and its budget holds only {reserved[effect.task] / MICROS} for it")
    return sorted(set(found))[:20]


def _killed(told: Told, worlds: dict[str, World], about: dict[str, list[Fact]]) -> list[str]:
    found = []
    for scope, name, since, until in told.kills:
        for skill, world in worlds.items():
            for call in world.calls:
                if call.at < since or (until is not None and call.at >= until) or (scope == "action" and name != skill):
                    continue
                if scope == "agent":
                    starts = [f for f in about[call.task] if f.kind == "run.started" and f.at <= START + round(call.at * MICROS)]
                    if not starts or starts[-1].data["agent"] != name:
                        continue
                found.append(f"{skill} {call.task} was called at {call.at:.3f}, after the kill switch on {scope} {name} was acknowledged at {since:.3f}")
    return found
