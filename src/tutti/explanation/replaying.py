"""A decision made again with what is known and in force now, beside how it was made then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tutti.clock import to_text
from tutti.explanation import weighing
from tutti.model.fact import Fact
from tutti.model.verdict import Verdict

_MOVED = 0.005  # of quality: less is told as unchanged


def replayed(task: str, facts: Sequence[Fact], now: int, route: Mapping[str, Any] | None, reason: str, verdict: Verdict | None) -> dict[str, Any]:
    """Then and now. `route` is the data that the new route would be kept as; None where nobody would get the task, for `reason`."""
    routed = next((fact for fact in reversed(facts) if fact.kind == "task.routed"), None)
    gated = next((fact for fact in facts if fact.kind == "task.gated" and (routed is None or fact.seq > routed.seq)), None)
    then = {
        "chosen": None if routed is None else f"{routed.data['agent']} {routed.data['version']}", "verdict": None if gated is None else gated.data["verdict"],
        "policy": None if gated is None else gated.data["policy"], "at": None if routed is None else to_text(routed.at),
    }  # fmt: skip
    said = {
        "chosen": None if route is None else f"{route['agent']} {route['version']}", "verdict": None if verdict is None else verdict.ruling.value,
        "reasons": [*([reason] if reason else []), *(verdict.reasons if verdict is not None else ())], "policy": None if verdict is None else verdict.policy,
        "candidates": [] if route is None else weighing.as_known(route, None if verdict is None else verdict.level),
        "ruled_out": [] if route is None else [{"agent": agent, "rule": rule} for agent, rule in route.get("ruled_out", ())],
    }  # fmt: skip
    differences = list(_differences(then, said, routed.data if routed else None, route))
    return {"schema": "tutti.replay/1", "task": task, "now_at": to_text(now), "then": then, "now": said, "differences": differences}


def _differences(then: Mapping[str, Any], now: Mapping[str, Any], before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    if then["chosen"] != now["chosen"]:
        yield f"Now {now['chosen'] or 'nobody'} would get it, not {then['chosen'] or 'nobody'}."
    if then["verdict"] != now["verdict"]:
        why = f": {now['reasons'][0]}" if now["reasons"] else ""
        yield f"Now the gates say {now['verdict'] or 'nothing'}, not {then['verdict'] or 'nothing'}{why}."
    if then["policy"] != now["policy"]:
        yield f"Another policy is in force: {now['policy'] or 'none'}, not {then['policy'] or 'none'}."
    if before is None or after is None:
        return
    was = {f"{one['agent']} {one['version']}": one for one in weighing.candidates(before)}
    are = {f"{one['agent']} {one['version']}": one for one in weighing.candidates(after)}
    for name in are:
        if name not in was:
            yield f"{name} could get it now, and could not then."
    for name, one in was.items():
        if name not in are:
            yield f"{name} cannot get it any more."
        elif abs(are[name]["quality"] - one["quality"]) >= _MOVED:
            more = are[name]["judged"] - one["judged"]
            yield f"The quality of {name} is believed to be {are[name]['quality']:.2f} now, {one['quality']:.2f} then ({more} more judged)."
    if list(before["weights"]) != list(after["weights"]):
        yield "The goals weigh quality, latency, cost and load otherwise now."
