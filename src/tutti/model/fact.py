"""A fact: something that happened, in its place in the journal. `KINDS` lists every kind with its fields."""

from __future__ import annotations

from typing import Any, NamedTuple


class Draft(NamedTuple):
    """A fact that has no place yet.

    `about` is the id of the thing it is about, `by` who did it (`agent/pay`, `person/owner`, `tutti`). `cause` is the `seq` of
    the fact that led to it; a negative number counts back inside the same append (-1: the draft before this one).
    `data` holds JSON values only, and never a payload, a subject's name or an agent's words: those are sealed apart.
    """

    kind: str
    about: str
    by: str
    data: dict[str, Any]
    cause: int | None = None


class Fact(NamedTuple):
    """A draft with its place: `seq` counts from 1 without gaps, `at` is in microseconds UTC and never decreases."""

    seq: int
    at: int
    kind: str
    about: str
    by: str
    cause: int | None
    data: dict[str, Any]


# Every kind with the fields its data may hold. A test holds every draft of the product against this table.
KINDS: dict[str, tuple[str, ...]] = {
    # intake
    "signal.received": ("key", "type", "event", "subject", "department", "priority", "hops", "task", "stopped", "undecided"),  # undecided: [subscription, why]
    "task.submitted": (
        "skill",
        "nature",
        "department",
        "priority",
        "deadline_at",
        "hops",
        "subject",
        "input",
        "parent",
        "signal",
        "key",
        "stage",
        "joins",
        "from_agent",
        "asker",
        "addressed",
        "trace",
        "amount",
        "currency",
    ),
    "task.coalesced": ("into", "key", "similarity"),
    "request.answered": ("digest", "answer", "status"),
    # routing
    "task.routed": (
        "skill",
        "class",
        "agent",
        "version",
        "score",
        "propensity",
        "explored",
        "weights",
        "candidates",
        "ruled_out",
        "offered",
        "ruled_out_count",
        "case",
        "bids",
        "joint",
    ),
    "backlog.ranked": ("tasks", "ballots", "weights", "given", "most", "must_precede", "cost", "bound", "by", "against", "nearest"),
    # gates
    "task.gated": ("verdict", "level", "up_to", "policy", "policies", "reasons", "reserve", "release", "amount", "currency", "approval", "budgets"),
    "approval.requested": ("task", "input", "agent", "version", "policy", "expires_at", "reasons", "amount", "currency", "nonce", "skill", "department"),
    "approval.answered": ("task", "answer", "input", "signature", "key", "note", "changed"),
    "approval.handed": ("task", "to", "note"),
    "approval.expired": ("task",),
    "autonomy.changed": ("skill", "level", "up_to", "reason", "was"),
    "budget.set": ("action", "money", "count", "per", "currency"),
    "policy.published": ("digest", "text"),
    "kill.thrown": ("scope", "name", "reason"),
    "kill.lifted": ("scope", "name", "reason"),
    # execution
    "run.started": ("attempt", "agent", "version", "key"),
    "run.finished": ("attempt", "agent", "excluded", "outcome", "next", "run_at", "error", "detail", "ms", "cost", "release", "effect"),
    "run.noted": ("name", "value"),
    "task.asked": ("question", "number", "auth"),
    "task.answered": ("answer", "number"),
    "task.joined": ("input", "joins", "from_agent"),
    "task.completed": ("output", "work_key", "fresh_until"),
    "task.failed": ("error", "detail"),
    "task.parked": ("reason", "detail"),
    "task.resumed": ("stage", "reason"),
    "task.canceled": ("reason",),
    "task.rejected": ("reason",),
    "agent.tripped": ("version", "failures", "until"),
    "agent.recovered": ("version",),
    # intents, leases and conflicts
    "resource.set": ("rule",),
    "resource.idle": (),
    "intent.declared": ("skill", "intents", "alternatives"),
    "intent.closed": ("count",),
    "task.queued": ("reason", "until"),
    "task.amended": ("input", "option", "reason", "work_key"),
    "lease.granted": ("resource", "name", "effect", "skill", "units", "start_at", "until_at", "lasts"),
    "lease.acted": ("resource", "until"),
    "lease.released": ("resource", "reason"),
    "lease.expired": ("resource",),
    "conflict.found": ("task", "other", "resource", "name", "rule", "effect", "other_effect", "skill", "other_skill"),
    "conflict.asked": ("reason",),
    "conflict.resolved": ("task", "other", "rung", "winner", "outcome", "reason"),
    # evaluation and feedback
    "task.judged": ("quality", "source", "check", "skill", "class", "agent", "version", "ms", "was", "was_source", "note", "claimed", "claimed_ms"),
    # plans; the plan itself is sealed
    "plan.made": ("kind", "name", "plan", "skills", "cost", "money"),
    "plan.changed": ("number", "reason", "step", "skill", "topics", "plan", "skills", "cost"),
    "plan.ended": ("state", "reason", "done", "skipped", "why", "spent"),  # why: a payload, for what each was skipped
    # negotiations; what was said and settled is sealed
    "negotiation.opened": ("department", "parties", "issues", "opening", "ends_at"),
    "negotiation.answered": ("round", "answers", "exchanges", "cost"),  # answers: [party, number, what was asked, why nothing came or ""]
    "negotiation.settled": ("how", "record", "better", "messages"),
    "negotiation.adopted": ("task",),
    # calls to models
    "model.reserved": ("agent", "version", "department", "model", "number", "attempt", "day", "cost", "tokens", "caps"),
    "model.called": (
        "agent",
        "version",
        "department",
        "model",
        "number",
        "attempt",
        "day",
        "input_tokens",
        "output_tokens",
        "cached",
        "cost",
        "reserved",
        "release",
        "error",
    ),
    "cap.set": ("agent", "department", "per_task", "money", "tokens", "calls", "per"),
    "cap.removed": ("reason",),
    # registry
    "agent.registered": ("version", "digest", "department", "owner", "skills", "text"),
    "agent.drained": ("version", "reason"),
    "agent.retired": ("version", "reason"),
    "subscription.set": ("type", "condition", "skill", "priority", "gather", "deadline_ms"),
    "subscription.removed": ("reason",),
    "goal.set": ("kpi", "target", "weights", "note"),
    # context
    "note.shared": ("subject", "topic", "value", "task"),
    # clients outside and their tasks
    "message.received": ("message", "number", "context", "agent", "digest"),
    "push.set": ("config", "sealed", "after"),
    "push.removed": ("config",),
    "push.delivered": ("config", "seq", "done"),
    "push.failed": ("config", "seq", "attempts", "status"),
    # who may come in
    "account.created": ("roles", "departments", "password"),
    "account.changed": ("roles", "departments", "password"),
    "account.removed": ("reason",),
    "token.issued": ("holder", "digest", "roles", "departments", "scopes", "expires_at", "label"),
    "token.revoked": ("what", "until"),
    "token.forgotten": (),
    "session.opened": ("account", "expires_at"),
    "session.closed": ("reason",),
    "enrolment.issued": ("name", "department", "owner", "expires_at"),
    "enrolment.used": ("name", "key"),
    "agent.key_pinned": ("key", "department", "url"),
    "agent.key_removed": ("reason",),
    # the workspace itself
    "workspace.created": ("name", "schema"),
    "workspace.restored": ("head", "witnessed"),
    "subject.erased": ("subject", "payloads"),
}
