/** What only some decisions have: a gate and its answer, a conflict, a joint assignment with bids, a plan, a negotiation, a place in a backlog. */
import { Link } from "wouter";
import { part } from "../../api/client.ts";
import type { ConflictSeen } from "../../api/schema.ts";
import { Card } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { Id } from "../../parts/text.tsx";
import { At } from "../../parts/time.tsx";
import { count, duration, hash, money, percent, plural, quality, who } from "../../words/format.ts";
import { statusOf, WORDS } from "../../words/status.ts";

interface Answered {
  answer: string;
  by: string;
  at: string;
  over: string;
}

export interface Gate {
  seq: number;
  verdict: string;
  asked: boolean;
  why_asked: string[];
  reasons: string[];
  policies: string[];
  policy: string;
  level: number | null;
  up_to: number | null;
  amount: number | null;
  currency: string | null;
  budgets: { budget: string; period: string; money: number; limit: number | null; count_limit: number | null }[];
  answer?: Answered;
  /** Answers that changed the parameters, before it was decided anew. */
  changes?: Answered[];
}

/** Act or ask: what the policy, the level and the budgets said, and what a person answered. */
export function GateCard({ gate, approval }: { gate: Gate; approval: string | null }) {
  const status = gate.verdict === "deny" ? "failed" : gate.asked ? "human" : "done";
  const word = gate.verdict === "deny" ? "denied" : gate.asked ? "a person was asked" : "allowed, alone";
  return (
    <Card title="Act or ask?" sub={<StatusTag status={status}>{word}</StatusTag>}>
      <dl className="pairs">
        {gate.policies.length > 0 && <><dt>Policy</dt><dd>{gate.policies.join(", ")}</dd></>}
        {(gate.asked ? gate.why_asked : gate.reasons).map((reason, place) => [<dt key={`${place}t`}>{place === 0 ? "Because" : ""}</dt>, <dd key={`${place}d`}>{reason}</dd>])}
        {gate.amount !== null && <><dt>Amount</dt><dd>{money(gate.amount, gate.currency)}{gate.up_to !== null && ` (alone up to ${money(gate.up_to, gate.currency)})`}</dd></>}
        {gate.level !== null && <><dt>Level</dt><dd>L{gate.level}</dd></>}
        {gate.budgets.map((each) => [<dt key={`${each.budget}t`}>Budget</dt>, <dd key={`${each.budget}d`}>{each.budget}: took {money(each.money, gate.currency)}{each.limit !== null && ` of ${money(each.limit, gate.currency)}`} ({each.period})</dd>])}
        {gate.changes?.map((each) => [<dt key={`${each.at}t`}>Changed</dt>, <dd key={`${each.at}d`}>{who(each.by)} changed the parameters at <At at={each.at} />, and it was decided anew</dd>])}
        {gate.answer && <><dt>Answer</dt><dd><b>{gate.answer.answer === "approve" ? "approved" : "rejected"}</b> by {who(gate.answer.by)} at <At at={gate.answer.at} />, over exactly these parameters <span className="mono" title={gate.answer.over}>{hash(gate.answer.over)}</span></dd></>}
        {approval && <><dt>Approval</dt><dd><Id id={approval} /></dd></>}
      </dl>
    </Card>
  );
}

export interface Joint {
  tasks: number;
  places: number;
  best: string;
  given_up: number;
  runner_up: string | null;
  lacked: number;
  waited: number;
}

export interface Bid {
  agent: string;
  version: string;
  claimed: number;
  quality: number;
  claimed_ms: number | null;
  latency_ms: number | null;
  cost: number | null;
  confidence: number | null;
}

export function JointCard({ joint, chosen }: { joint: Joint; chosen: string }) {
  const best = joint.best.replace("@", " ");
  return (
    <Card title="Assigned together with others" sub={`${plural(joint.tasks, "task")} to ${plural(joint.places, "free place")}`}>
      <dl className="pairs">
        <dt>Best for it alone</dt><dd>{best}{best === chosen ? ", which it got" : ""}</dd>
        {best !== chosen && <><dt>Gave up</dt><dd>{joint.given_up.toFixed(3)} for the others’ sake</dd></>}
        {joint.runner_up && <><dt>Next</dt><dd>{joint.runner_up.replace("@", " ")}, which lacked {joint.lacked.toFixed(3)}</dd></>}
        {joint.waited > 0 && <><dt>Others went first</dt><dd>{plural(joint.waited, "time")}</dd></>}
      </dl>
    </Card>
  );
}

export function BidsCard({ bids, currency }: { bids: readonly Bid[]; currency: string | null }) {
  return (
    <Card title="Bids" sub="what agents claimed, and what such claims of theirs are worth">
      <div className="scroll" tabIndex={0}><table>
        <thead><tr><th>Agent</th><th className="num">Claimed</th><th className="num">Counted as</th><th className="num">Time claimed</th><th className="num">Counted as</th><th className="num">Cost</th></tr></thead>
        <tbody>{bids.map((bid) => <tr key={`${bid.agent} ${bid.version}`}><td>{bid.agent} {bid.version}</td><td className="num">{quality(bid.claimed)}</td><td className="num">{quality(bid.quality)}</td><td className="num">{duration(bid.claimed_ms)}</td><td className="num">{duration(bid.latency_ms)}</td><td className="num">{money(bid.cost, currency)}</td></tr>)}</tbody>
      </table></div>
    </Card>
  );
}

export function ConflictCard({ conflicts, task }: { conflicts: readonly ConflictSeen[]; task: string }) {
  return (
    <Card title="Conflicts" sub="what could not be done beside it">
      {conflicts.map((met) => (
        <div key={met.id} className="mt">
          <p><Id id={met.id} /> on <b>{met.resource}</b>: rule {met.rule}, {met.state}{met.rung ? `, decided by ${met.rung}` : ""}{met.reason ? `: ${met.reason}` : ""}</p>
          <ul className="t">{met.sides.map((side) => <li key={side.task}>{side.task === task ? "this task" : <Id id={side.task} />}: {side.skill} ({side.effect}){side.wins === true ? <> · <StatusTag status="done">goes first</StatusTag></> : side.wins === false ? <> · <StatusTag status="failed">gives way</StatusTag></> : null}</li>)}</ul>
        </div>
      ))}
    </Card>
  );
}

export interface PlanTold {
  kind: string;
  name: string;
  expected_cost: number;
  money: number | null;
  spent: number | null;
  state: string;
  reason: string;
  changes: { reason: string; step: string; topics: string[]; why: string }[];
  ruled_out: { skill: string; rule: string }[];
  instead_of: Record<string, unknown>;
  steps: { name: string; skill: string; after: string[]; when: string | null; task: string | null; agent: string | null; state: string; reason: string | null; question: string | null; wait_ms: number | null }[];
}

export function PlanCard({ plan, currency }: { plan: PlanTold; currency: string | null }) {
  return (
    <Card title={`Plan${plan.name ? `: ${plan.name}` : ""}`} sub={`${plan.kind}, ${plan.state}; expected ${money(plan.expected_cost, currency)}${plan.spent === null ? "" : `, spent ${money(plan.spent, currency)}`}${plan.money === null ? "" : ` of ${money(plan.money, currency)}`}`}>
      {plan.reason && <p className="wrap">{plan.reason}</p>}
      <div className="scroll" tabIndex={0}><table>
        <thead><tr><th>Step</th><th>What</th><th>After</th><th>With</th><th>State</th></tr></thead>
        <tbody>{plan.steps.map((step) => <tr key={step.name}><td>{step.task ? <Link href={`/tasks/${part(step.task)}`}>{step.name}</Link> : step.name}</td><td>{step.skill || (step.question ? `asks: ${step.question}` : step.wait_ms !== null ? `waits ${duration(step.wait_ms)}` : "")}{step.when && <><br /><span className="mono sub">{step.when}</span></>}</td><td>{step.after.join(", ")}</td><td>{step.agent ?? ""}</td><td><StatusTag status={step.task ? statusOf(step.state) : step.state === "completed" ? "done" : "queued"}>{step.task ? WORDS[statusOf(step.state)] : step.state}</StatusTag>{step.reason && <><br /><span className="sub small wrap">{step.reason}</span></>}</td></tr>)}</tbody>
      </table></div>
      {plan.changes.length > 0 && <><h3>Changed {plural(plan.changes.length, "time")}</h3><ul className="t">{plan.changes.map((each, place) => <li key={place}>{each.step ? `${each.step}: ` : ""}{each.reason}{each.why ? ` (${each.why})` : ""}</li>)}</ul></>}
      {plan.ruled_out.length > 0 && <><h3>Skills ruled out</h3><ul className="t">{plan.ruled_out.map((each) => <li key={each.skill}>{each.skill}: {each.rule}</li>)}</ul></>}
    </Card>
  );
}

export interface Backlog {
  ranking: string;
  seq: number;
  by: string;
  place: number;
  of: number;
  voters: string[];
  support: number;
  behind: { task: string; margin: number; why: string; cycle: string[] }[];
}

export function BacklogCard({ backlog }: { backlog: Backlog }) {
  return (
    <Card title="Its place in the backlog" sub={`number ${backlog.place + 1} of ${count(backlog.of)}, ranked by ${backlog.voters.join(", ")}; support ${percent(backlog.support, 0)}`}>
      {backlog.behind.length === 0 ? <p className="sub">It stands behind no task that most wanted it before.</p> : <ul className="t">{backlog.behind.map((each) => <li key={each.task}>Behind <Id id={each.task} />, though by {each.margin} more wanted it before: {each.why === "precedence" ? "it must come after it" : `the majorities run in a circle of ${each.cycle.length}`}</li>)}</ul>}
    </Card>
  );
}

export function NegotiationCard({ sentences, task }: { sentences: readonly string[]; task: string }) {
  return (
    <Card title="The negotiation" act={<Link href={`/negotiations/${part(task)}`}>Who said what</Link>}>
      <ul className="t">{sentences.map((each, place) => <li key={place}>{each}</li>)}</ul>
    </Card>
  );
}
