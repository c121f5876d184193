"""What a decision passed, when it was made and by what, and how it turned out against what was expected: from a task's facts alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tutti.clock import MICROS, to_text
from tutti.explanation.timeline import margin_of
from tutti.model.fact import Fact

_BEGINS = ("task.submitted", "task.joined", "task.resumed", "task.amended", "run.finished")  # from when on a task can be routed


def decided(facts: Sequence[Fact]) -> dict[str, Any] | None:
    """The decision in short: when, in how long, by what, under which policy, by which margin, and where it stands in the journal. None where there is none."""
    routed = next((fact for fact in reversed(facts) if fact.kind == "task.routed"), None)
    gated = next((fact for fact in reversed(facts) if fact.kind == "task.gated"), None)
    first = routed or gated
    if first is None:
        return None
    verdict = next((fact for fact in facts if fact.kind == "task.gated" and fact.seq > first.seq), gated)
    at = verdict.at if verdict is not None else first.at
    begun = max((fact.at for fact in facts if fact.kind in _BEGINS and fact.seq < first.seq), default=first.at)
    answered = next((fact for fact in reversed(facts) if fact.kind == "approval.answered" and fact.seq > first.seq), None)
    scored = routed is not None and len(routed.data["candidates"]) > 1
    return {
        "decided_at": to_text(at), "took_ms": max(at - begun, 0) / 1000, "decided_by": "person" if answered is not None else "score" if scored else "rule",
        "policy": gated.data["policy"] if gated is not None else None, "margin": None if routed is None else margin_of(routed.data), "seq": first.seq,
        "answered_at": None if answered is None else to_text(answered.at),
    }  # fmt: skip


def checks(facts: Sequence[Fact]) -> list[dict[str, Any]]:
    """Every guardrail that the last decision met, with its value, its limit, and whether it let the task pass without asking anybody."""
    gated = next((fact for fact in reversed(facts) if fact.kind == "task.gated"), None)
    return [] if gated is None else list(_checks(gated.data, facts))


def _checks(data: Mapping[str, Any], facts: Sequence[Fact]) -> Iterator[dict[str, Any]]:
    reasons = data.get("reasons", [])
    first = reasons[0] if reasons else ""
    denied, policies = data["verdict"] == "deny", data.get("policies", [])
    stopped = first.startswith("kill switch")
    yield _check("kill switches", "on" if stopped else "none on", None, not stopped, first if stopped else "nothing stops it")
    if stopped:
        return
    forbidden = denied and not first.startswith("budget")
    yield _check("policy", ", ".join(policies) or None, None, not forbidden, first if forbidden else f"{', '.join(policies) or 'the policy'} permits it")
    if forbidden or "level" not in data:
        return
    for budget in data.get("reserve") or ():
        said = f"budget {budget['budget']} ({budget['period']}) gave it"
        yield _check(f"budget {budget['budget']}", _money(budget["money"]), _money(budget["money_limit"]), True, said)
    if denied:
        yield _check(" ".join(first.split()[:2]), _money(data.get("amount")), None, False, first)
        return
    asked = data["verdict"] == "ask"
    by_answer = data.get("approval") is not None
    says = first if asked else "a person's answer covers exactly these parameters" if by_answer else "within what it may do alone"
    yield _check("autonomy level", data["level"], 4, not asked and not by_answer, says)
    if data.get("up_to") is not None:
        amount = _money(data.get("amount"))
        yield _check(
            "amount", amount, _money(data["up_to"]), amount is not None and abs(amount) <= data["up_to"] / MICROS, f"alone up to {data['up_to'] / MICROS:.2f}"
        )
    for fact in facts:
        if fact.kind == "approval.answered" and fact.about == data.get("approval"):
            yield _check("approval", fact.data["answer"], None, fact.data["answer"] == "approve", f"signed by {fact.by} at {to_text(fact.at)}")


def _money(value: int | None) -> float | None:
    return None if value is None else value / MICROS


def _check(name: str, value: Any, limit: Any, ok: bool, says: str) -> dict[str, Any]:
    return {"name": name, "value": value, "limit": limit, "ok": ok, "says": says}


def models(facts: Sequence[Fact]) -> list[dict[str, Any]]:
    """The language models that took part: calls, tokens and cost of each (null where nobody said what it costs)."""
    found: dict[str, dict[str, Any]] = {}
    for fact in facts:
        if fact.kind == "model.called":
            data = fact.data
            told = found.setdefault(data["model"], {"model": data["model"], "calls": 0, "input_tokens": 0, "output_tokens": 0, "cost": 0.0})
            told["calls"] += 1
            for name in ("input_tokens", "output_tokens"):
                told[name] += data[name]
            told["cost"] = None if data["cost"] is None or told["cost"] is None else told["cost"] + data["cost"] / MICROS
    return list(found.values())


def turned_out(task: Mapping[str, Any], facts: Sequence[Fact]) -> dict[str, Any]:
    """How it came out, and what had been expected of the agent that did it."""
    judged = [fact for fact in facts if fact.kind == "task.judged"]
    runs = [fact for fact in facts if fact.kind == "run.finished"]
    routed = next((fact for fact in reversed(facts) if fact.kind == "task.routed"), None)
    expected = None
    if routed is not None:
        data = routed.data
        row = next(row for row in data["candidates"] if (row[0], row[1]) == (data["agent"], data["version"]))
        expected = {"quality": row[2], "ms": row[5], "cost": row[6]}
    return {
        "state": task["state"], "attempts": len(runs), "ms": round(sum(fact.data["ms"] for fact in runs), 3),
        "cost": sum(fact.data.get("cost", 0) for fact in runs) / MICROS, "quality": task["quality"], "source": task["quality_source"], "expected": expected,
        "judgements": [
            {"quality": fact.data["quality"] / MICROS, "source": fact.data["source"], "by": fact.by, "check": fact.data.get("check"), "at": to_text(fact.at)}
            for fact in judged
        ],
    }  # fmt: skip
