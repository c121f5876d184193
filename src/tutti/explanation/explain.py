"""The record of a task, told: sentence, candidates, parts, ruled out, gate, what would have changed it, how it turned out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tutti.clock import MICROS, to_text
from tutti.explanation import weighing
from tutti.explanation.checking import checks, decided, models, turned_out
from tutti.explanation.circuits import waited
from tutti.explanation.timeline import trace_of
from tutti.model.agent import Skill
from tutti.model.fact import Fact

_PARTS = weighing.PARTS
_ENDLESS = re.compile(r"\{[^{}]*[:{][^{}]*(\{|\d{3})")  # a width that fills the memory; agents outside bring such words themselves
_BID = ("agent", "version", "claimed", "quality", "claimed_ms", "latency_ms", "cost", "confidence")
_JOINT = ("tasks", "places", "best", "given_up", "runner_up", "lacked", "waited")
_LEVELS = {0: "shadow", 1: "suggest", 2: "approve", 3: "veto window", 4: "act"}


def question(skill: Skill | None, task: Mapping[str, Any], input: Any) -> str:
    """What a person is asked, as a sentence: the card's own words, else the skill and its exact parameters."""
    if skill is not None and skill.says and isinstance(input, Mapping) and not _ENDLESS.search(skill.says):
        try:
            return skill.says.format(**input)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError):
            pass
    amount = "" if task["amount"] is None else f" over {task['amount'] / MICROS:.2f} {task['currency'] or ''}".rstrip()
    return f"Do {task['skill']}{amount}."


def explain(
    task: Mapping[str, Any], facts: Sequence[Fact], head: int, inputs: Sequence[Mapping[str, Any]] = (), leaf: str | None = None, health: Sequence[Fact] = ()
) -> dict[str, Any]:
    """Why a task went as it did. `task` is the desk's view of it, `facts` its own and its approvals', in order.

    `inputs` are what went into the decision, `leaf` (hex) is the hash under which the journal holds it,
    `health` what became of the circuits of its skill's agents before it ended.
    """
    last: dict[str, Fact] = {fact.kind: fact for fact in facts}
    routed = last.get("task.routed")
    route = _route(routed) if routed else None
    gate = _gate([fact for fact in facts if fact.kind == "task.gated"], facts)
    backlog = _backlog(task["id"], last.get("backlog.ranked"))
    sentences = [
        _origin(task, last),
        *_ranked(backlog),
        *_choice(task, route, last.get("task.coalesced")),
        *_market(route),
        *_gated(task, gate),
        *_ending(task, facts),
        *waited(facts, last.get("task.failed"), health),
    ]
    strip = decided(facts)
    return {
        "schema": "tutti.why/1",
        "task": task["id"],
        "skill": task["skill"],
        "state": task["state"],
        "sentence": " ".join(sentence for sentence in sentences if sentence),
        "decided": None if strip is None else {**strip, "leaf": leaf, "plan": task.get("plan"), "trace": trace_of(_traceparent(last))},
        "candidates": weighing.as_known(routed.data, gate["level"] if gate else None) if routed else [],
        "parts": weighing.parts(routed.data) if routed else None,
        "ruled_out": route["ruled_out"] if route else [],
        "backlog": backlog,
        "route": route,
        "gate": gate,
        "would_change": _would_change(route, gate, task, routed, last),
        "inputs": list(inputs),
        "checks": checks(facts),
        "models": models(facts),
        "turned_out": turned_out(task, facts),
        "facts": [{"seq": fact.seq, "at": to_text(fact.at), "kind": fact.kind, "by": fact.by, "cause": fact.cause} for fact in facts],
        "journal": {"first": facts[0].seq if facts else None, "last": facts[-1].seq if facts else None, "head": head},
        "input": task["input"],
        "output": task["output"],
        "detail": task["detail"],
    }


def _traceparent(last: Mapping[str, Fact]) -> str | None:
    submitted = last.get("task.submitted")
    return None if submitted is None else submitted.data.get("trace")


def _route(fact: Fact) -> dict[str, Any]:
    data = fact.data
    return {
        "at": to_text(fact.at),
        "seq": fact.seq,
        "chosen": f"{data['agent']} {data['version']}",
        "class": data["class"],
        "score": data["score"],
        "propensity": data["propensity"],
        "explored": data["explored"],
        "weights": dict(zip(_PARTS, data["weights"], strict=True)),
        "offered": data["offered"],
        "candidates": weighing.candidates(data),
        "ruled_out": [{"agent": agent, "rule": rule} for agent, rule in data.get("ruled_out", ())],
        "ruled_out_count": data.get("ruled_out_count", 0),
        "case": sorted(data.get("case", {})),
        "bids": [dict(zip(_BID, bid, strict=True)) for bid in data.get("bids", ())],
        "joint": dict(zip(_JOINT, data["joint"], strict=True)) if "joint" in data else None,
    }


def _gate(gated: Sequence[Fact], facts: Sequence[Fact]) -> dict[str, Any] | None:
    if not gated:
        return None
    data = gated[-1].data
    first = gated[0].data
    gate: dict[str, Any] = {
        "seq": gated[-1].seq,
        "verdict": data["verdict"],
        "asked": first["verdict"] == "ask",
        "why_asked": first.get("reasons", []) if first["verdict"] == "ask" else [],
        "reasons": data.get("reasons", []),
        "policies": data.get("policies", []),
        "policy": data["policy"],
        "level": data.get("level"),
        "up_to": None if data.get("up_to") is None else data["up_to"] / MICROS,
        "amount": None if data.get("amount") is None else data["amount"] / MICROS,
        "currency": data.get("currency"),
        "budgets": [
            {
                "budget": r["budget"],
                "period": r["period"],
                "money": r["money"] / MICROS,
                "limit": None if r["money_limit"] is None else r["money_limit"] / MICROS,
                "count_limit": r["count_limit"],
            }
            for r in data.get("reserve", ())
        ],
    }
    answers = [
        {"approval": fact.about, "answer": fact.data["answer"], "by": fact.by, "at": to_text(fact.at), "over": fact.data["input"]}
        for fact in facts
        if fact.kind == "approval.answered"
    ]
    gate["changes"] = [answer for answer in answers if answer["answer"] == "change"]
    if answers and answers[-1]["answer"] != "change":
        gate["answer"] = answers[-1]
    return gate


def _origin(task: Mapping[str, Any], last: Mapping[str, Fact]) -> str:
    submitted = last.get("task.submitted")
    by = submitted.by if submitted else ""
    about = f" about {task['subject']}" if task["subject"] else ""
    if task["parent"] and not task["signal"]:
        verb = "was proposed" if task["nature"] == "action" else "was asked"
        return f"{task['skill']}{about} {verb} by {by.removeprefix('agent/')} (task {task['parent']})."
    if task["signal"]:
        sender = f" that {by.removeprefix('agent/')} sent" if by.startswith("agent/") else ""
        return f"{task['skill']}{about} was started by signal {task['signal']}{sender}."
    return f"{task['skill']}{about} was submitted by {by or 'nobody known'}."


def _choice(task: Mapping[str, Any], route: Mapping[str, Any] | None, coalesced: Fact | None) -> list[str]:
    if task["coalesced_into"]:
        if coalesced is not None and "similarity" in coalesced.data:
            alike = f"{coalesced.data['similarity'] / MICROS:.0%} alike"
            return [f"{task['coalesced_into']} asks the same in other words ({alike}) and was under way or fresh, so its result was taken."]
        return [f"The same work was under way or fresh, so the result of {task['coalesced_into']} was taken."]
    if route is None:
        return ["No agent was chosen yet." if task["state"] not in ("rejected", "failed") else ""]
    candidates = route["candidates"]
    winner = next(c for c in candidates if f"{c['agent']} {c['version']}" == route["chosen"])
    known = f"quality {winner['quality']:.2f}" + (f" over {winner['judged']} judged" if winner["judged"] else ", nothing judged yet")
    out, offered = route["ruled_out_count"], route["offered"]
    if offered == 1:
        return [f"One agent offers it: {route['chosen']} ({known})."]
    head = f"Of {offered} agents that offer it, {out} {'was' if out == 1 else 'were'} ruled out and {offered - out} scored."
    others = [c for c in candidates if c is not winner]
    if not others:
        return [head, f"{route['chosen']} was the only one left ({known})."]
    rival = others[0]
    tie = abs(winner["score"] - rival["score"]) < 0.005
    behind = winner["score"] < rival["score"]  # it was assigned jointly: another has the one that was best for this task alone
    how = "tied with" if tie else "behind" if behind else "ahead of"
    sentence = f"{route['chosen']} {'got it' if behind else 'won'} with {winner['score']:.3f} ({known}), {how} {rival['agent']} {rival['version']} with {rival['score']:.3f}."
    gains = {part: winner["parts"][part] - rival["parts"][part] for part in _PARTS}
    best = max(gains, key=lambda part: gains[part])
    decided = f"{best.capitalize()} decided it ({gains[best]:+.3f})." if gains[best] > 0 and not behind else ""
    drawn = (
        f"The quality was drawn from what is believed of each, to learn: it would be chosen in {winner['propensity']:.0%} of such draws."
        if route["explored"]
        else ""
    )
    return [head, sentence, decided, drawn]


def _market(route: Mapping[str, Any] | None) -> list[str]:
    """That it got its agent together with other tasks, and what the agent had bid for it."""
    if route is None:
        return []
    sentences = []
    joint = route["joint"]
    if joint is not None:
        tasks, places = joint["tasks"], joint["places"]
        sentences.append(f"It was assigned together with {tasks - 1} other waiting {_plural('task', tasks - 1)} to {places} free {_plural('place', places)}.")
        if joint["best"] != route["chosen"].replace(" ", "@"):
            sentences.append(f"By itself it would have gone to {joint['best'].replace('@', ' ')}: it gave up {joint['given_up']:.3f} for the others' sake.")
        if joint["runner_up"]:
            sentences.append(f"{joint['runner_up'].replace('@', ' ')} would have got it with {joint['lacked']:.3f} more.")
        if joint["waited"]:
            sentences.append(f"Others went before it {joint['waited']} {_plural('time', joint['waited'])}.")
    for bid in route["bids"]:
        if f"{bid['agent']} {bid['version']}" == route["chosen"]:
            sentences.append(f"Its bid of {bid['claimed']:.2f} counted as {bid['quality']:.2f}, as such claims of its have come out.")
    return sentences


def priorities(ranked: Fact) -> dict[str, Any]:
    """A joint order of the backlog as it is told: the tasks in order, and for each the pairs in which it stands behind against the majority."""
    data = ranked.data
    tasks = data["tasks"]
    order = []
    support = 1.0
    for place, task in enumerate(tasks):
        told = _backlog(task, ranked) or {}
        support = told["support"]
        order.append({"task": task, "place": place, "behind": told["behind"]})
    nearest = data.get("nearest")
    return {
        "schema": "tutti.priorities/1", "id": ranked.about, "order": order, "support": support, "cost": data["cost"], "bound": data["bound"],
        "exact": data["cost"] <= data["bound"] + 1e-6, "by": data["by"], "weights": data["weights"], "given": data["given"],
        "nearest": None if nearest is None else {"task": tasks[nearest[0]], "place": nearest[1], "margin": nearest[2]},
    }  # fmt: skip


def _backlog(task: str, ranked: Fact | None) -> dict[str, Any] | None:
    """Its place in the departments' joint order, and the tasks that it stands behind though most wanted it before them, with the reason."""
    if ranked is None or task not in ranked.data["tasks"]:
        return None
    data = ranked.data
    tasks, place = data["tasks"], data["tasks"].index(task)
    behind = [
        {"task": tasks[above], "margin": margin, "why": why, "cycle": [tasks[number] for number in cycle]}
        for above, below, margin, why, cycle in data["against"]
        if below == place
    ]
    wishes = sum(data["weights"][voter] * len(ballot) * (len(ballot) - 1) / 2 for voter, ballot in data["ballots"].items())
    return {
        "ranking": ranked.about, "seq": ranked.seq, "by": ranked.by, "place": place, "of": len(tasks), "voters": sorted(data["ballots"]),
        "support": round(1 - data["cost"] / wishes, 4) if wishes else 1.0, "behind": behind,
    }  # fmt: skip


def _ranked(backlog: Mapping[str, Any] | None) -> list[str]:
    if backlog is None:
        return []
    voters = ", ".join(backlog["voters"])
    sentences = [f"{voters} ranked the backlog together: it is number {backlog['place'] + 1} of {backlog['of']} (support {backlog['support']:.0%})."]
    for pair in backlog["behind"][:2]:
        around = " → ".join([*pair["cycle"], pair["cycle"][0]]) if pair["cycle"] else ""
        reason = "it must come after it" if pair["why"] == "precedence" else f"the majorities run in a circle ({around})"
        sentences.append(f"It stands behind {pair['task']}, though more wanted it before that one: {reason}.")
    return sentences


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _gated(task: Mapping[str, Any], gate: Mapping[str, Any] | None) -> list[str]:
    if gate is None:
        return []
    policy = f"Policy {', '.join(repr(id) for id in gate['policies'])} allows it" if gate["policies"] and gate["verdict"] != "deny" else ""
    if gate["verdict"] == "deny":
        return [f"It was denied: {gate['reasons'][0]}."]
    sentences = [policy + ("; " if gate["asked"] else ".") if policy else ""]
    if gate["asked"]:
        sentences[0] += f"a person was asked because {gate['why_asked'][0]}."
    for change in gate["changes"]:
        sentences.append(f"{change['by'].removeprefix('person/').capitalize()} changed the parameters at {change['at']}, and it was decided anew.")
    answer = gate.get("answer")
    if answer:
        yes = "approved" if answer["answer"] == "approve" else "rejected"
        sentences.append(
            f"{answer['by'].removeprefix('person/').capitalize()} {yes} it at {answer['at']} over exactly these parameters ({answer['over'][:12]}…)."
        )
    elif task["nature"] == "action" and gate["verdict"] == "allow" and (not gate["asked"] or gate["changes"]) and gate["level"] is not None:
        limit = "" if gate["up_to"] is None else f" up to {gate['up_to']:.2f}"
        sentences.append(f"Level {gate['level']} ({_LEVELS[gate['level']]}){limit} let it act alone.")
    for budget in gate["budgets"]:
        of = f" of {budget['limit']:.2f}" if budget["limit"] is not None else ""
        sentences.append(f"It took {budget['money']:.2f}{of} from budget {budget['budget']} ({budget['period']}).")
    return sentences


def _ending(task: Mapping[str, Any], facts: Sequence[Fact]) -> list[str]:
    tries = [fact for fact in facts if fact.kind == "run.finished"]
    failed = [fact for fact in tries if fact.data["outcome"] != "done"]
    sentences = []
    if failed:
        names = ", ".join(f"{fact.data['agent']} {fact.data['outcome'].replace('_', ' ')} ({fact.data.get('error', '')})" for fact in failed[:4])
        sentences.append(f"{len(failed)} of {len(tries)} attempts did not succeed: {names}.")
    match task["state"]:
        case "completed":
            sentences.append("It completed.")
        case "failed" | "canceled" | "rejected":
            sentences.append(f"It {'was ' if task['state'] != 'failed' else ''}{task['state']}: {task['reason']}.")
        case "input-required":
            waits = {"approval": "It waits for a person's answer.", "question": f"It asks: {task['question']}"}
            sentences.append(waits.get(task["reason"], f"It is parked for a person: {task['reason']}."))
        case _:
            sentences.append(f"It is {task['state']}, at stage {task['stage']}.")
    if task["quality"] is not None:
        sentences.append(f"Judged {task['quality']:.2f} by {task['quality_source']}.")
    return sentences


def _would_change(
    route: Mapping[str, Any] | None, gate: Mapping[str, Any] | None, task: Mapping[str, Any], routed: Fact | None, last: Mapping[str, Fact]
) -> list[dict[str, Any]]:
    """The smallest change of each input that flips the choice or the verdict, and changes that do not: the recorded inputs weighed again."""
    found: list[dict[str, Any]] = []
    if route is not None and route["joint"] is not None:
        joint = route["joint"]
        if joint["runner_up"]:
            rival = joint["runner_up"].replace("@", " ")
            needed = joint["lacked"] / max(route["weights"]["quality"], 1e-9)
            change = f"a score higher by {joint['lacked']:.3f} for {rival}: of quality alone {needed:.3f} more"
            found.append(_change("score", rival, 0.0, joint["lacked"], change, rival, flips=needed <= 1))
    elif routed is not None:
        deadline_at = last["task.submitted"].data.get("deadline_at") if "task.submitted" in last else None
        found += weighing.flips(routed.data, None if deadline_at is None else (deadline_at - routed.at) / 1000)
    if gate is not None and task["nature"] == "action":
        found += _gate_changes(gate, task["skill"])
    return found


def _gate_changes(gate: Mapping[str, Any], skill: str) -> list[dict[str, Any]]:
    found = []
    amount, up_to, level = gate["amount"], gate["up_to"], gate["level"]
    alone, asks = "it would have acted alone", "a person would have been asked"
    if gate["asked"] and level == 4 and up_to is not None and amount is not None:
        found.append(_change("amount", skill, abs(amount), up_to, f"an amount of {up_to:.2f} or less (was {abs(amount):.2f})", alone, flips=True))
    elif gate["asked"] and level is not None and level < 4:
        found.append(_change("level", skill, level, 4, "level 4 (act) for this action", alone, flips=True))
    elif gate["verdict"] == "allow" and up_to is not None and amount is not None:
        found.append(_change("amount", skill, abs(amount), up_to, f"an amount above {up_to:.2f} (was {abs(amount):.2f})", asks, flips=True))
    for budget in gate["budgets"]:
        if budget["limit"] is not None:
            left = f"less than {budget['money']:.2f} left in budget {budget['budget']}"
            found.append(_change("budget", budget["budget"], None, budget["money"], left, "it would have been denied", flips=True))
    return found


def _change(input: str, of: str, was: float | None, needed: float | None, change: str, to: str, *, flips: bool) -> dict[str, Any]:
    return {"input": input, "of": of, "was": was, "needed": needed, "change": change, "to": to, "flips": flips}
