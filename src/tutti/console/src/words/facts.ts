/** What a fact says, in a few words: what was done, and to or because of what. Facts hold no payloads, so nothing of a customer stands here. */
import type { Fact } from "../api/schema.ts";
import { money } from "./format.ts";

export type { Fact };

const text = (value: unknown): string => (value === null || value === undefined ? "" : typeof value === "string" ? value : typeof value === "object" ? JSON.stringify(value) : String(value));
const list = (value: unknown): string => (Array.isArray(value) ? value.map(text).join("; ") : text(value));
const sum = (data: Fact["data"]): string => (typeof data.amount === "number" ? money(data.amount / 1e6, text(data.currency)) : "");
const joined = (...parts: string[]): string => parts.filter(Boolean).join(", ");

type Words = [did: string, detail?: (data: Fact["data"]) => string];

const WORDS: Record<string, Words> = {
  "signal.received": ["took a signal in", (data) => joined(text(data.type), text(data.stopped), Array.isArray(data.undecided) ? `conditions that could not be evaluated: ${data.undecided.length}` : "")],
  "task.submitted": ["submitted", (data) => joined(text(data.skill), sum(data))],
  "task.coalesced": ["joined to equal work", (data) => text(data.into)],
  "task.routed": ["chose an agent", (data) => `${text(data.agent)} ${text(data.version)} for ${text(data.skill)}`],
  "task.gated": ["gated", (data) => joined(text(data.verdict), list(data.reasons))],
  "approval.requested": ["asked a person", (data) => joined(sum(data), list(data.reasons))],
  "approval.answered": ["answered", (data) => text(data.answer)],
  "approval.expired": ["expired unanswered"],
  "approval.handed": ["handed over", (data) => text(data.to)],
  "autonomy.changed": ["set how far it goes alone", (data) => joined(`level ${text(data.was)} → ${text(data.level)}`, text(data.reason))],
  "budget.set": ["set a budget", (data) => text(data.action)],
  "policy.published": ["published a policy", (data) => text(data.digest)],
  "kill.thrown": ["threw a kill switch", (data) => text(data.reason)],
  "kill.lifted": ["lifted a kill switch", (data) => text(data.reason)],
  "run.started": ["started", (data) => `${text(data.agent)} ${text(data.version)}, attempt ${text(data.attempt)}`],
  "run.finished": ["returned", (data) => joined(text(data.outcome), data.next === "done" ? "" : `then ${text(data.next)}`, text(data.error))],
  "task.asked": ["asked a question"],
  "task.answered": ["answered a question"],
  "task.completed": ["completed"],
  "task.failed": ["failed", (data) => text(data.error)],
  "task.parked": ["parked", (data) => text(data.reason)],
  "task.resumed": ["sent on", (data) => text(data.reason)],
  "task.canceled": ["canceled", (data) => text(data.reason)],
  "task.rejected": ["rejected", (data) => text(data.reason)],
  "task.queued": ["queued", (data) => text(data.reason)],
  "task.amended": ["changed its parameters", (data) => text(data.reason)],
  "task.judged": ["judged", (data) => joined(text(data.quality), `by ${text(data.source)}`)],
  "agent.tripped": ["opened the circuit", (data) => `${text(data.failures)} failures`],
  "agent.recovered": ["closed the circuit"],
  "agent.registered": ["registered", (data) => joined(`version ${text(data.version)}`, list(data.skills))],
  "agent.drained": ["is draining", (data) => joined(text(data.version), text(data.reason))],
  "agent.retired": ["retired", (data) => joined(text(data.version), text(data.reason))],
  "intent.declared": ["declared intents", (data) => text(data.skill)],
  "intent.closed": ["closed intents"],
  "lease.granted": ["granted a lease", (data) => text(data.resource)],
  "lease.released": ["released a lease", (data) => text(data.reason)],
  "conflict.found": ["found a conflict", (data) => `${text(data.skill)} with ${text(data.other_skill)}`],
  "conflict.asked": ["asks a person", (data) => text(data.reason)],
  "conflict.resolved": ["resolved", (data) => joined(text(data.rung), text(data.reason))],
  "plan.made": ["made a plan", (data) => joined(text(data.name), list(data.skills))],
  "plan.changed": ["changed the plan", (data) => text(data.reason)],
  "plan.ended": ["ended the plan", (data) => joined(text(data.state), text(data.reason))],
  "negotiation.opened": ["opened a negotiation", (data) => list(data.parties)],
  "negotiation.answered": ["heard the parties", (data) => `round ${text(data.round)}`],
  "negotiation.settled": ["ended a negotiation", (data) => text(data.how)],
  "goal.set": ["set a goal", (data) => joined(text(data.kpi), text(data.target))],
  "account.created": ["took an account in", (data) => list(data.roles)],
  "account.changed": ["changed an account", (data) => list(data.roles)],
  "account.removed": ["shut an account", (data) => text(data.reason)],
  "token.issued": ["issued a token", (data) => joined(text(data.holder), text(data.label))],
  "token.revoked": ["revoked a token", (data) => text(data.what)],
  "session.opened": ["logged in", (data) => text(data.account)],
  "session.closed": ["logged out", (data) => text(data.reason)],
  "subscription.set": ["subscribed", (data) => `${text(data.type)} → ${text(data.skill)}`],
  "workspace.created": ["created the workspace"],
  "workspace.restored": ["restored a copy", (data) => `heads after ${text(data.head)} hold no more`],
  "subject.erased": ["erased a subject", (data) => `${text(data.payloads)} payloads`],
};

/** What was done, and the rest in short. A kind without words of its own says its name. */
export function told({ kind, data }: Pick<Fact, "kind" | "data">): { did: string; detail: string } {
  const words = WORDS[kind];
  return words ? { did: words[0], detail: words[1]?.(data) ?? "" } : { did: kind.replaceAll(/[._]/g, " "), detail: "" };
}
