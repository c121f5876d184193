"""Every operation of the API, once. Both clients are made of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tutti.client.turns import Call
from tutti.model.answers.agents import Agent, Card, Registered
from tutti.model.answers.approvals import Approval
from tutti.model.answers.conflicts import Conflicts, ConflictSeen
from tutti.model.answers.governance import Goal, LevelSet, Switched
from tutti.model.answers.health import Health
from tutti.model.answers.negotiations import Negotiations, Opened, WholeNegotiation
from tutti.model.answers.plans import Planned
from tutti.model.answers.priorities import Priorities
from tutti.model.answers.record import BackedUp, Consistency, Erased, Fact, Head, Inclusion, Leaves, SignedHead
from tutti.model.answers.signals import Batch, Sent
from tutti.model.answers.tasks import Submitted, TaskCounts, Tasks, Waited, WholeTask
from tutti.model.answers.timeline import Lineage
from tutti.model.answers.why import Replay, Why


def send(event: Mapping[str, Any]) -> Call[Sent]:
    """Send a CloudEvent 1.0."""
    return Call("POST", "/v1/signals", body=event, keyed=True)


def send_batch(events: Sequence[Mapping[str, Any]]) -> Call[Batch]:
    """Send up to 1,000 CloudEvents; the answer says of each whether it was taken in."""
    return Call("POST", "/v1/signals", body=list(events), keyed=True, media="application/cloudevents-batch+json")


def submit(
    skill: str, input: Any = None, *, subject: str | None = None, priority: int = 0, deadline_ms: int | None = None, after: Mapping[str, str] | None = None
) -> Call[Submitted]:
    """Submit a task; `after` maps fields of the input to tasks whose outputs they get."""
    body: dict[str, Any] = {"skill": skill, "input": input, "priority": priority, "after": dict(after or {})}
    body |= {name: value for name, value in (("subject", subject), ("deadline_ms", deadline_ms)) if value is not None}
    return Call("POST", "/v1/tasks", body=body, keyed=True)


def tasks(
    *, state: str | None = None, waiting: bool = False, mine: bool = False, skill: str | None = None, subject: str | None = None, limit: int = 50,
    after: int | None = None, **wanted: Any,
) -> Call[Tasks]:  # fmt: skip
    """A page of tasks, newest first; `after` is the `next` of the page before. `wanted` holds the other filters: status, agent, since, q …"""
    query = {"state": state, "waiting": waiting, "mine": mine, "skill": skill, "subject": subject, "limit": limit, "after": after, **wanted}
    return Call("GET", "/v1/tasks", query=query)


def task_counts(**wanted: Any) -> Call[TaskCounts]:
    """How many tasks pass these filters, by status, and how many would without one of them."""
    return Call("GET", "/v1/tasks/counts", query=wanted)


def task(id: str) -> Call[WholeTask]:
    """One task with its input and output."""
    return Call("GET", "/v1/tasks/{}", (id,))


def wait(id: str, *, timeout_ms: int = 30_000) -> Call[Waited]:
    """The task once it has ended or needs a person, or as it is when the time is over."""
    return Call("GET", "/v1/tasks/{}/wait", (id,), {"timeout_ms": timeout_ms})


def cancel(id: str, *, reason: str = "") -> Call[WholeTask]:
    """Cancel an open task."""
    return Call("POST", "/v1/tasks/{}/cancel", (id,), body={"reason": reason}, keyed=True)


def answer(id: str, value: Any) -> Call[WholeTask]:
    """Answer what a running agent asks."""
    return Call("POST", "/v1/tasks/{}/answer", (id,), body={"value": value}, keyed=True)


def settle(id: str, how: str, *, reason: str = "") -> Call[WholeTask]:
    """Decide about a parked task: again, happened or drop."""
    return Call("POST", "/v1/tasks/{}/settle", (id,), body={"how": how, "reason": reason}, keyed=True)


def rate(id: str, quality: float, *, note: str = "") -> Call[WholeTask]:
    """Rate a finished task, 0..1."""
    return Call("POST", "/v1/tasks/{}/rating", (id,), body={"quality": quality, "note": note}, keyed=True)


def negotiate(
    issues: Mapping[str, Sequence[Any]],
    parties: Mapping[str, Any] | Sequence[str],
    *,
    policy: Sequence[Mapping[str, Any]] = (),
    approval: Sequence[Mapping[str, Any]] = (),
    fallback: Mapping[str, Any] | None = None,
    deadline_ms: int = 60_000,
    messages: int = 6,
    turns: int = 20,
    money: float | None = None,
    about: Any = None,
    protocol: str = "mediated",
    subject: str | None = None,
    priority: int = 0,
) -> Call[Opened]:
    """Open a negotiation between agents; its task's output is what it ends with."""
    body: dict[str, Any] = {"issues": issues, "parties": parties, "policy": list(policy), "approval": list(approval), "fallback": fallback, "about": about}
    body |= {"deadline_ms": deadline_ms, "messages": messages, "turns": turns, "priority": priority, "protocol": protocol}
    body |= {name: value for name, value in (("money", money), ("subject", subject)) if value is not None}
    return Call("POST", "/v1/negotiations", body=body, keyed=True)


def negotiations(*, limit: int = 50, after: int | None = None) -> Call[Negotiations]:
    """A page of negotiations, newest first."""
    return Call("GET", "/v1/negotiations", query={"limit": limit, "after": after})


def negotiation(id: str) -> Call[WholeNegotiation]:
    """One negotiation with all that was said."""
    return Call("GET", "/v1/negotiations/{}", (id,))


def plan(goal: Any, input: Any = None, *, subject: str | None = None, money: float | None = None) -> Call[Planned]:
    """The plan that reaches a goal (a skill, a type, a list, or an object with want, have or text); submit it to the skill `plan.run` to run it."""
    body = {"goal": goal, "input": input} | {name: value for name, value in (("subject", subject), ("money", money)) if value is not None}
    return Call("POST", "/v1/plans", body=body, keyed=True)


def approvals(*, state: str | None = None, limit: int = 100, after: str | None = None) -> Call[list[Approval]]:
    """Open approvals, oldest first; or those answered, expired or all, newest first. `after` is the id of the last one of the page before."""
    return Call("GET", "/v1/approvals", query={"state": state, "limit": limit, "after": after})


def approval(id: str) -> Call[Approval]:
    """One approval, by its id or its task's."""
    return Call("GET", "/v1/approvals/{}", (id,))


def answer_approval(id: str, answer: str, *, signature: str | None = None, note: str = "") -> Call[Approval]:
    """Say `approve` or `reject`, with the owner's signature, or signed by the workspace for who asks."""
    body = {"answer": answer, "note": note} | ({"signature": signature} if signature is not None else {})
    return Call("POST", "/v1/approvals/{}/answer", (id,), body=body, keyed=True)


def change_approval(id: str, input: Any, *, note: str = "") -> Call[Approval]:
    """Give an action that waits for a yes other parameters. The answer is the new approval, where one is asked for, else the old one."""
    return Call("POST", "/v1/approvals/{}/change", (id,), body={"input": input, "note": note}, keyed=True)


def hand_over(id: str, to: str, *, note: str = "") -> Call[Approval]:
    """Leave an approval to a person's account (person/ben) or a department."""
    return Call("POST", "/v1/approvals/{}/hand-over", (id,), body={"to": to, "note": note}, keyed=True)


def take_over(id: str, outcome: Mapping[str, Any] | None, *, note: str = "") -> Call[WholeNegotiation]:
    """End a negotiation that goes on: with this outcome, or (None) with the fallback."""
    return Call("POST", "/v1/negotiations/{}/take-over", (id,), body={"outcome": outcome, "note": note}, keyed=True)


def conflicts(*, state: str | None = None, task: str | None = None, limit: int = 50, after: int | None = None) -> Call[Conflicts]:
    """A page of conflicts, newest first; without a state those that are not resolved yet. States: open, asked, resolved, all."""
    return Call("GET", "/v1/conflicts", query={"state": state, "task": task, "limit": limit, "after": after})


def conflict(id: str) -> Call[ConflictSeen]:
    """One conflict with both sides."""
    return Call("GET", "/v1/conflicts/{}", (id,))


def settle_conflict(id: str, winner: str) -> Call[ConflictSeen]:
    """Decide which task goes first in a conflict."""
    return Call("POST", "/v1/conflicts/{}/settle", (id,), body={"winner": winner}, keyed=True)


def undo(id: str) -> Call[Submitted]:
    """Propose the action that undoes a completed task."""
    return Call("POST", "/v1/tasks/{}/undo", (id,), keyed=True)


def agents() -> Call[list[Agent]]:
    """Live agents, one item for each skill."""
    return Call("GET", "/v1/agents")


def card(name: str) -> Call[Card]:
    """The cards of all versions of an agent."""
    return Call("GET", "/v1/agents/{}", (name,))


def register(
    transport: str, url: str, *, department: str, name: str = "", owner: str = "", concurrency: int = 16, options: Mapping[str, Any] | None = None
) -> Call[Registered]:
    """Take in an agent outside: `transport` is a2a, mcp or http."""
    body = {
        "transport": transport,
        "url": url,
        "department": department,
        "name": name,
        "owner": owner,
        "concurrency": concurrency,
        "options": dict(options or {}),
    }
    return Call("POST", "/v1/agents", body=body, keyed=True)


def upgrade(name: str) -> Call[Registered]:
    """Ask an agent outside for its card again."""
    return Call("POST", "/v1/agents/{}/upgrade", (name,), keyed=True)


def drain(name: str, *, version: str = "", reason: str = "") -> Call[Card]:
    """Give an agent nothing new; what it has begun it finishes."""
    return Call("POST", "/v1/agents/{}/drain", (name,), body={"version": version, "reason": reason}, keyed=True)


def retire(name: str, *, version: str = "", reason: str = "") -> Call[Card]:
    """Take an agent out of the fleet."""
    return Call("POST", "/v1/agents/{}/retire", (name,), body={"version": version, "reason": reason}, keyed=True)


def set_level(skill: str, level: str, *, up_to: float | None = None, reason: str = "") -> Call[LevelSet]:
    """Set how far an action goes alone: approve or act."""
    return Call("PUT", "/v1/levels/{}", (skill,), body={"level": level, "up_to": up_to, "reason": reason})


def kill_switches() -> Call[list[Switched]]:
    """Kill switches that are on."""
    return Call("GET", "/v1/kill-switches")


def kill(scope: str, name: str = "", *, reason: str = "") -> Call[Switched]:
    """Stop an agent, an action or the workspace."""
    return Call("POST", "/v1/kill-switches/throw", body={"scope": scope, "name": name, "reason": reason}, keyed=True)


def lift(scope: str, name: str = "", *, reason: str = "") -> Call[Switched]:
    """Lift a kill switch."""
    return Call("POST", "/v1/kill-switches/lift", body={"scope": scope, "name": name, "reason": reason}, keyed=True)


def goals() -> Call[list[Goal]]:
    """What people want."""
    return Call("GET", "/v1/goals")


def set_goal(name: str, *, kpi: str = "", target: float | None = None, weights: Mapping[str, float] | None = None, note: str = "") -> Call[Goal]:
    """State what people want; its weights count from the next route on."""
    return Call("PUT", "/v1/goals/{}", (name,), body={"kpi": kpi, "target": target, "weights": dict(weights or {}), "note": note})


def prioritise(
    tasks: Sequence[str] | None = None,
    *,
    skill: str | None = None,
    ballots: Mapping[str, Sequence[str]],
    weights: Mapping[str, float] | None = None,
    must_precede: Sequence[tuple[str, str]] = (),
    most: float = 0.5,
) -> Call[Priorities]:
    """Put waiting tasks (these, or all of a skill) into one order out of several departments' ballots."""
    body: dict[str, Any] = {"ballots": {voter: list(ballot) for voter, ballot in ballots.items()}, "weights": dict(weights or {}), "most": most}
    body |= {"must_precede": [list(pair) for pair in must_precede]}
    body |= {name: value for name, value in (("tasks", None if tasks is None else list(tasks)), ("skill", skill)) if value is not None}
    return Call("POST", "/v1/priorities", body=body, keyed=True)


def why(id: str) -> Call[Why | Lineage | ConflictSeen]:
    """Why a task (or an approval's task) went as it did; of a signal its lineage, of a conflict both sides and who decided. `schema` says which it is."""
    return Call("GET", "/v1/why/{}", (id,))


def replay(id: str) -> Call[Replay]:
    """A task's decision made again with today's policy, standings and agents; nothing is kept of it."""
    return Call("POST", "/v1/why/{}/replay", (id,))


def lineage(id: str) -> Call[Lineage]:
    """What a signal or a task led to."""
    return Call("GET", "/v1/lineage/{}", (id,))


def measures() -> Call[dict[str, Any]]:
    """What the fleet achieves."""
    return Call("GET", "/v1/measures")


def head() -> Call[Head]:
    """Where the journal stands."""
    return Call("GET", "/v1/journal/head")


def heads(*, after: int = 0, limit: int = 100) -> Call[list[SignedHead]]:
    """Signed heads, in order."""
    return Call("GET", "/v1/journal/heads", query={"after": after, "limit": limit})


def facts(
    *, after: int = 0, before: int | None = None, about: str | None = None, kind: str | None = None, by: str | None = None, limit: int = 100
) -> Call[list[Fact]]:
    """Facts in order; with `before` those before it, newest first. `by` is a name, or a beginning that ends with a slash (`person/`)."""
    return Call("GET", "/v1/journal/facts", query={"after": after, "before": before, "about": about, "kind": kind, "by": by, "limit": limit})


def leaves(*, after: int = 0, limit: int = 1000) -> Call[Leaves]:
    """The exact texts that were sealed, with their hashes, and the newest signed head."""
    return Call("GET", "/v1/journal/leaves", query={"after": after, "limit": limit})


def prove_inclusion(seq: int, size: int | None = None) -> Call[Inclusion]:
    """A proof that fact `seq` is among the first `size`."""
    return Call("GET", "/v1/journal/proofs/inclusion", query={"seq": seq, "size": size})


def prove_consistency(first: int, second: int | None = None) -> Call[Consistency]:
    """A proof that the journal of `second` facts only added to the one of `first`."""
    return Call("GET", "/v1/journal/proofs/consistency", query={"first": first, "second": second})


def erase(subject: str) -> Call[Erased]:
    """Erase a subject."""
    return Call("POST", "/v1/erasures", body={"subject": subject})


def backup(path: str) -> Call[BackedUp]:
    """Copy the journal to a new file of the machine it runs on; only over its own socket."""
    return Call("POST", "/v1/backups", body={"path": path})


def health() -> Call[Health]:
    """Who answers."""
    return Call("GET", "/v1/health")
