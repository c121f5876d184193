"""What the API answers, as types: the description of the API is made of them, and the client gives them back."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class Problem(TypedDict):
    """An error. `code` is stable and names the family; `hint` says what to do next."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str


class Sent(TypedDict):
    """A signal that is durable, with the tasks it called for."""

    signal: str
    tasks: list[str]
    duplicate: bool


class Rejected(TypedDict):
    """An event of a batch that was not taken in."""

    problem: Problem


class Batch(TypedDict):
    """A batch of signals, in the order they came in. What was refused can be sent again alone."""

    signals: list[Sent | Rejected]
    taken: int


class Submitted(TypedDict):
    """A task that is durable."""

    task: str


_Class = TypedDict("_Class", {"class": str, "with": str | None})


class Task(_Class):
    """A task in a list. Times are ISO 8601 in UTC, qualities 0..1.

    `status` is queued, running, waiting, human, done or failed; `with` who has it: an agent, "person", or the task or resource that it waits for;
    `plan` names the plan that it is a step of.
    """

    schema: str
    id: str
    skill: str
    nature: str
    department: str
    priority: int
    state: str
    stage: str
    reason: str | None
    agent: str | None
    version: str | None
    parent: str | None
    signal: str | None
    attempts: int
    amount: float | None
    currency: str | None
    approval: str | None
    caller: str | None
    waiting_for: str | None
    status: str
    retrying: bool
    plan: str | None
    cost: float | None
    coalesced_into: str | None
    quality: float | None
    quality_source: str | None
    subject: str | None
    submitted_at: str
    started_at: str | None
    finished_at: str | None
    deadline_at: str | None


class WholeTask(Task):
    """A task with what went in and came out. `undo` is the skill that undoes it, once it is done; `progress` (0..1) and `doing` only while it runs."""

    input: Any
    output: Any
    detail: Any
    question: Any
    erased: bool
    undo: str | None
    progress: NotRequired[float | None]
    doing: NotRequired[str]


class Tasks(TypedDict):
    """A page of tasks; `next` is the `after` of the next one. A page of a rare kind may be short, or empty, and have a next one: it says where to look on."""

    tasks: list[Task]
    next: int | None


class StatusCounts(TypedDict):
    """Tasks by status."""

    queued: int
    running: int
    waiting: int
    human: int
    done: int
    failed: int


class TaskCounts(TypedDict):
    """How many tasks pass the filters; `without` says how many would without one of them.

    Open ones are counted all; finished ones among the newest tasks, from `from_at` on (null: from the beginning). `whole` says that nothing older is left out.
    """

    schema: str
    by_status: StatusCounts
    retrying: int
    all: int
    without: dict[str, int]
    from_at: str | None
    whole: bool


class Span(TypedDict):
    """A stretch of one task: a run, or waiting in a queue (for an agent), for a person, a lease, other tasks, a time (backoff), or an answer.

    `parent` is the task that stands above it in the tree, `depth` how deep it stands.
    """

    id: str
    task: str
    parent: str | None
    depth: int
    label: str
    skill: str
    agent: str | None
    version: str | None
    kind: str
    status: str
    attempt: int | None
    started_at: str
    ended_at: str | None
    note: str | None


class Decision(TypedDict):
    """Something that was decided on the way. `margin` is what the chosen one was ahead by, where that is a number."""

    seq: int
    at: str
    task: str
    kind: str
    question: str
    chosen: str
    margin: float | None
    by: str


class Timeline(TypedDict):
    """When what happened to a task and all that followed from it. The four sums add up to the time in which any of it was open.

    `hidden` counts branches that the caller may not see; `truncated` says that some of it is left out.
    """

    schema: str
    task: str
    root: str
    from_at: str
    until_at: str | None
    working_ms: float
    waiting_agents_ms: float
    waiting_people_ms: float
    waiting_other_ms: float
    cost: float
    currency: str | None
    agents: list[str]
    trace: str | None
    spans: list[Span]
    truncated: bool
    hidden: int
    decisions: list[Decision]


class Decided(TypedDict):
    """A decision in short. `decided_by` is rule, score or person; `seq` its number in the journal, `leaf` (hex) its hash there, `trace` the W3C trace's id."""

    decided_at: str
    took_ms: float
    decided_by: str
    policy: str | None
    margin: float | None
    seq: int
    leaf: str | None
    answered_at: str | None
    plan: str | None
    trace: str | None


class ScoreParts(TypedDict):
    """What a score is the sum of."""

    quality: float
    latency: float
    cost: float
    load: float


class KnownCandidate(TypedDict):
    """An agent as it was known when it was weighed. `drawn` is the quality that counted; `tie`: too near to the chosen one to tell them apart."""

    rank: int
    agent: str
    version: str
    state: str
    level: int | None
    quality: float
    drawn: float
    low: float
    high: float
    judged: int
    latency_ms: float
    cost: float
    load: float
    score: float
    parts: ScoreParts
    propensity: float
    chosen: bool
    tie: bool


class PartRow(TypedDict):
    """One part of two scores, and how it came about."""

    part: str
    weight: float
    formula: str
    formula_runner_up: str | None
    winner: float
    runner_up: float | None
    difference: float | None


class PartTotal(TypedDict):
    """The scores."""

    winner: float
    runner_up: float | None
    difference: float | None


class PartTable(TypedDict):
    """The scores of the chosen one and of the best other one, part by part; each column adds up to its total."""

    winner: str
    runner_up: str | None
    rows: list[PartRow]
    total: PartTotal


class RuledOut(TypedDict):
    """An agent (name@version) that could not be taken, and the rule that said so."""

    agent: str
    rule: str


class WouldChange(TypedDict):
    """A change of one input: to `needed` from what it `was` (null: not a number, or as far as it goes), and whether it flips the decision."""

    input: str
    of: str
    was: float | None
    needed: float | None
    change: str
    to: str
    flips: bool


class WhyInput(TypedDict):
    """Something that went into a decision: kind signal, output, case or subject. `masked` where it was erased since."""

    kind: str
    name: str
    value: Any
    age_ms: float | None
    masked: bool
    task: str | None


class WhyCheck(TypedDict):
    """A guardrail that a decision met; `ok` where it passed without anybody being asked."""

    name: str
    value: Any
    limit: Any
    ok: bool
    says: str


class WhyModel(TypedDict):
    """A language model that took part. `cost` is null where nobody said what it costs."""

    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None


class Expected(TypedDict):
    """What was expected of an agent when it was chosen."""

    quality: float
    ms: float
    cost: float


class Judged(TypedDict):
    """One judgement of a finished task."""

    quality: float
    source: str
    by: str
    check: str | None
    at: str


class TurnedOut(TypedDict):
    """How a task came out, beside what was expected."""

    state: str
    attempts: int
    ms: float
    cost: float
    quality: float | None
    source: str | None
    expected: Expected | None
    judgements: list[Judged]


class WhyFact(TypedDict):
    """A fact that a story rests on."""

    seq: int
    at: str
    kind: str
    by: str
    cause: int | None


class Stretch(TypedDict):
    """Where in the journal a story stands."""

    first: int | None
    last: int | None
    head: int


class Why(TypedDict):
    """Why a task went as it did, from the record alone: a sentence, the decision in short, who was weighed and how, what would have changed it, what went
    in, what it passed, and how it turned out."""

    schema: str
    task: str
    skill: str
    state: str
    sentence: str
    decided: Decided | None
    candidates: list[KnownCandidate]
    parts: PartTable | None
    ruled_out: list[RuledOut]
    backlog: dict[str, Any] | None
    route: dict[str, Any] | None
    gate: dict[str, Any] | None
    would_change: list[WouldChange]
    inputs: list[WhyInput]
    checks: list[WhyCheck]
    models: list[WhyModel]
    turned_out: TurnedOut
    facts: list[WhyFact]
    journal: Stretch
    input: Any
    output: Any
    detail: Any
    conflicts: NotRequired[list[ConflictSeen]]
    negotiation: NotRequired[list[str]]
    plan: NotRequired[dict[str, Any]]


class DecidedThen(TypedDict):
    """How it was decided."""

    chosen: str | None
    verdict: str | None
    policy: str | None
    at: str | None


class DecidedNow(TypedDict):
    """How it would be decided now."""

    chosen: str | None
    verdict: str | None
    reasons: list[str]
    policy: str | None
    candidates: list[KnownCandidate]
    ruled_out: list[RuledOut]


class Replay(TypedDict):
    """A decision made again, of which nothing is kept; `differences` says in sentences what is otherwise."""

    schema: str
    task: str
    now_at: str
    then: DecidedThen
    now: DecidedNow
    differences: list[str]


class Lineage(TypedDict):
    """What a signal or a task led to, as a tree, and the signal that it came from."""

    schema: str
    tree: dict[str, Any]
    signal: NotRequired[str | None]


class Waited(TypedDict):
    """A task once it has ended or needs a person. `waits` are the tasks that need one, `running` whether agents run at all."""

    task: WholeTask
    done: bool
    waits: list[str]
    running: bool


class Evidence(TypedDict):
    """What a task gave that an action was proposed on. `output` is the beginning of its JSON where it is long (`cut`)."""

    task: str
    skill: str
    agent: str | None
    output: Any
    cut: bool


class Precedent(TypedDict):
    """How the last approvals of a skill were answered, 40 at most."""

    approved: int
    rejected: int
    changed: int
    of: int
    skill: str


class Approval(TypedDict):
    """What a person is asked: `input` are the exact parameters, `digest` what is signed.

    `state` is open, approved, used (the task has started), rejected, changed (asked anew with other parameters) or expired; `effects` says what a yes leads
    to, `undo` names the skill that undoes it; `asked_by` is the agent that proposed it, or who asked for it.
    """

    schema: str
    id: str
    task: str
    skill: str
    state: str
    question: str
    input: Any
    agent: str
    version: str
    policy: str
    nonce: str
    digest: str
    reversible: bool
    reasons: list[str]
    asked_at: str
    expires_at: str
    expires_at_us: int
    answered_by: str | None
    workspace: str
    department: str
    subject: str | None
    amount: float | None
    currency: str | None
    asked_by: str | None
    parent: str | None
    handed_to: str | None
    answered_at: str | None
    answer: str | None
    note: str | None
    undo: str | None
    on_expiry: str
    effects: list[str]
    evidence: list[Evidence]
    precedent: Precedent
    may_answer: bool
    conflicts: NotRequired[list[ConflictSeen]]  # with one approval, where it is an open one that collides with others


class ConflictSide(TypedDict):
    """One action in a conflict: what it would do, and whether it holds the resource. `input` is null where the caller may not read it."""

    task: str
    skill: str
    department: str | None
    effect: str
    state: str | None
    stage: str | None
    agent: str | None
    amount: float | None
    input: Any
    holds: bool
    holds_until: str | None
    wins: bool | None


class ConflictSeen(TypedDict):
    """Two actions that cannot both be: the rule they would break together, who goes first, by which rung of the ladder and why."""

    schema: str
    id: str
    resource: str
    rule: str
    state: str
    rung: str | None
    winner: str | None
    outcome: str | None
    reason: str | None
    found_at: str
    resolved_at: str | None
    sides: list[ConflictSide]


class Conflicts(TypedDict):
    """A page of conflicts, newest first."""

    conflicts: list[ConflictSeen]
    next: int | None


class Agent(TypedDict):
    """A live agent at one skill, with what is believed of it there: mean quality and its 95 % interval."""

    schema: str
    name: str
    version: str
    department: str
    owner: str
    skill: str
    nature: str
    quality: float
    low: float
    high: float
    judged: int
    mean_ms: float | None
    running: int
    concurrency: int
    level: int | None
    up_to: float | None
    health: str


class QualityAt(TypedDict):
    """The mean quality of the tasks that ended in a part of a window, and how many were judged."""

    at: str
    quality: float
    n: int


class Standing(TypedDict):
    """A version of an agent at one skill: what is believed of its quality (mean, 95 % interval), and what it has achieved in a window.

    `tie_with` names those whose interval overlaps; `share` is of the skill's finished tasks; `alone` of the `actions` no person had a part in.
    """

    schema: str
    name: str
    version: str
    department: str
    owner: str
    skill: str
    nature: str
    state: str
    since: str
    health: str
    quality: float
    low: float
    high: float
    judged: int
    tie_with: list[str]
    p50_ms: float | None
    p95_ms: float | None
    cost: float | None
    tasks: int
    alone: int
    actions: int
    failed: int
    share: float
    level: int | None
    up_to: float | None
    running: int
    concurrency: int
    trend: list[QualityAt]


class Version(TypedDict):
    """One version of an agent: its card, and whether it is live, draining or retired. `skills` are its skills' cards by name."""

    state: str
    since: str
    digest: str
    name: str
    version: str
    department: str
    owner: str
    skills: dict[str, dict[str, Any]]
    concurrency: int
    endpoint: NotRequired[dict[str, Any]]


class Card(TypedDict):
    """All versions of an agent, each with its state and its card."""

    name: str
    versions: list[Version]


class Registered(TypedDict):
    """An agent that was taken in. `new` says whether this version was not known before."""

    schema: str
    name: str
    version: str
    digest: str
    skills: list[str]
    new: bool


class LevelSet(TypedDict):
    """How far an action goes alone now."""

    skill: str
    level: str
    up_to: float | None


class Switched(TypedDict):
    """A kill switch as it is now. `stopped` counts calls that were cut off, `resumed` tasks that go on."""

    scope: str
    name: str
    on: bool
    stopped: NotRequired[int]
    resumed: NotRequired[int]


class Thrown(Switched):
    """A kill switch that is on: why, by whom and since when."""

    reason: str
    by: str
    at: str


class Goal(TypedDict):
    """What people want, and how much it makes quality, latency, cost and load count."""

    name: str
    kpi: str
    target: str
    note: str
    weights: dict[str, float]
    set_at: str
    set_by: str


class Behind(TypedDict):
    """A task that another stands behind though the majority wanted it before: by how much weight, and the precedence or circle that is why."""

    task: str
    margin: float
    why: str
    cycle: list[str]


class Ranked(TypedDict):
    """A task at its place in a joint order."""

    task: str
    place: int
    behind: list[Behind]


class Nearest(TypedDict):
    """The least change of the first three: the task that would move, where to, and the weight that is missing."""

    task: str
    place: int
    margin: float


class Priorities(TypedDict):
    """The joint order of a backlog. `given` are the departments' weights, `weights` what they counted as; `support` is the share of wishes it follows."""

    schema: str
    id: str
    order: list[Ranked]
    support: float
    cost: float
    bound: float
    exact: bool
    by: str
    weights: dict[str, float]
    given: dict[str, float]
    nearest: Nearest | None


class Opened(TypedDict):
    """A negotiation that was opened; the id is its task's."""

    negotiation: str


class Negotiation(TypedDict):
    """A negotiation in short. `how` it ended: settled, fallback or person; `missing` counts questions without an answer, `adopted` is the task that did."""

    schema: str
    id: str
    state: str
    how: str | None
    parties: list[str]
    department: str | None
    issues: int
    rounds: int
    messages: int
    missing: int
    cost: float
    better: bool
    adopted: str | None
    opened_at: str | None
    ends_at: str | None
    settled_at: str | None
    adopted_at: str | None


class Negotiations(TypedDict):
    """A page of negotiations, newest first."""

    negotiations: list[Negotiation]
    next: int | None


class BetterOutcome(TypedDict):
    """An outcome that is better than what holds, and needs a person."""

    outcome: dict[str, Any]
    needs: list[str]
    gains: dict[str, float | None]


class SettledOn(TypedDict):
    """What a negotiation ended with. `gains` are above the fallback, each on its party's own scale; null where nothing is known."""

    how: str
    outcome: dict[str, Any] | None
    why: str
    gains: dict[str, float | None]
    better: BetterOutcome | None
    rounds: int
    messages: int
    cost: float


class NegotiationSaid(TypedDict):
    """One message of a round. With proposals: the outcome, the answer (accept, reject, counter) and each party's gain by it, where that is known;
    with questions the outcomes or lists that were asked about, and the numbers or orders that came back."""

    party: str
    number: int
    ask: str
    missing: str
    answer: Any
    outcome: NotRequired[dict[str, Any] | None]
    counter: NotRequired[dict[str, Any] | None]
    gains: NotRequired[dict[str, float]]
    outcomes: NotRequired[list[Any] | None]
    lists: NotRequired[list[Any] | None]


class NegotiationRound(TypedDict):
    """One round: all that was asked at once, and what came back."""

    round: int
    at: str
    cost: float
    said: list[NegotiationSaid]


class WholeNegotiation(Negotiation):
    """A negotiation with its opening (null once erased), its settlement, its transcript by rounds, its reasons in sentences, and the person who decided it."""

    opening: dict[str, Any] | None
    settled: SettledOn | None
    rounds_told: list[NegotiationRound]
    explained: list[str]
    decided_by: str | None


class Planned(TypedDict):
    """A plan as it would run now: `plan` is null where there is none, and `missing` says why; `instead_of` names the other skills for a step."""

    schema: str
    goal: dict[str, Any]
    plan: dict[str, Any] | None
    expected: dict[str, float] | None
    missing: list[str]
    ruled_out: list[dict[str, str]]
    instead_of: dict[str, list[dict[str, Any]]]
    optimal: bool


class Head(TypedDict):
    """Where the journal stands: how many facts, and the root over them."""

    workspace: str
    seq: int
    root: str
    at: str | None


class SignedHead(TypedDict):
    """A head under the journal's signature (Ed25519), which is over the exact text of `statement`; `key` and `signature` are hex."""

    seq: int
    at: str
    root: str
    key: str
    signature: str
    origin: str
    statement: str


class Leaf(TypedDict):
    """The exact text that was sealed for a fact, and its hash: SHA-256 over a zero byte and the text in UTF-8."""

    seq: int
    content: str
    leaf: str


class Leaves(TypedDict):
    """Leaves in order, and the newest signed head: what it takes to check the record elsewhere (RFC 6962)."""

    schema: str
    leaves: list[Leaf]
    head: SignedHead | None


class Fact(TypedDict):
    """A fact. `about` is the id of the thing, `cause` the `seq` of the fact that led to it, `leaf` its hash in the record."""

    seq: int
    at: str
    kind: str
    about: str
    by: str
    cause: int | None
    data: dict[str, Any]
    leaf: str


class Inclusion(TypedDict):
    """That fact `seq` is under the root over `size` facts. Hashes are hex, `path` lowest first (RFC 6962)."""

    schema: str
    seq: int
    size: int
    leaf: str
    root: str
    path: list[str]


class Consistency(TypedDict):
    """That the root over `second` facts only adds to the one over `first` (RFC 6962)."""

    schema: str
    first: int
    second: int
    first_root: str
    second_root: str
    path: list[str]


class Erased(TypedDict):
    """How many payloads of a subject were removed."""

    subject: str
    payloads: int


class BackedUp(Head):
    """Where the copy is, and where the journal stood."""

    path: str


class Health(TypedDict):
    """Who answers."""

    schema: str
    workspace: str
    version: str
    pid: int
    running: bool
    fleet: str | None
    problems: list[str]
    head: Head


class Status(TypedDict):
    """Whether the process is alive, or takes work."""

    status: str


_From = TypedDict("_From", {"from": NotRequired[str]})


class Change(_From):
    """One change, as the stream tells it. `state` is the task's, where it changed; `from` is the agent that asked for it."""

    seq: int
    at: str
    kind: str
    about: str
    task: NotRequired[str]
    state: NotRequired[str]
    agent: NotRequired[str]
    skill: NotRequired[str]
    department: NotRequired[str]
    attempt: NotRequired[int]
    version: NotRequired[str]


class Changes(TypedDict):
    """Changes of one batch of the stream, `seq` the last one's; `at` is when the server sent it. A `beat` and a `resync` have no changes."""

    seq: int
    at: str
    changes: NotRequired[list[Change]]
