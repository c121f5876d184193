/** What the API tells of a negotiation, and what is read off it: proposals with gains, what each party said, and which rules terms keep. */
import type { Negotiation } from "../../api/schema.ts";
import type { Status } from "../../words/status.ts";

export type Value = string | number | boolean;
export type Outcome = Record<string, Value>;

export interface Rule {
  rule: string;
  forbid?: Record<string, Value | Value[]> | null;
  cost?: Record<string, Record<string, number> | [Value, number][]> | null;
  limit?: number | null;
  when?: string | null;
}

export type { Negotiation as Brief };

export interface Said {
  party: string;
  number: number;
  ask: string;
  missing: string;
  answer: unknown;
  outcome?: Outcome | null;
  counter?: Outcome | null;
  /** In free bargaining: the rules by which the offer counted as a pass. */
  refused?: string[];
  gains?: Record<string, number>;
  outcomes?: (Outcome | null)[];
  lists?: (Outcome | null)[][];
}

export interface Round {
  round: number;
  at: string;
  cost: number;
  said: Said[];
}

export interface Settled {
  how: string;
  outcome: Outcome | null;
  why: string;
  gains: Record<string, number | null>;
  better: { outcome: Outcome; gains: Record<string, number | null>; needs: string[] } | null;
  messages: number;
  rounds: number;
  cost: number;
}

export interface Opening {
  about?: unknown;
  issues: Record<string, Value[]>;
  parties: Record<string, number | null>;
  policy: Rule[];
  approval: Rule[];
  fallback: Outcome | null;
  deadline_ms: number;
  protocol?: string;
}

/** The whole, with the terms typed as the pages need them: in the API they are whatever the issues hold. */
export interface Whole extends Negotiation {
  opening: Opening | null;
  settled: Settled | null;
  rounds_told: Round[];
  explained: string[];
  /** The person who decided it, where one did. */
  decided_by: string | null;
}

/** Terms in words: `care call, price -5 %`. Nothing is no agreement. */
export const terms = (outcome: Outcome | null | undefined): string => (outcome ? Object.entries(outcome).map(([issue, value]) => `${issue} ${value}`).join(", ") : "no agreement");

export interface Proposal {
  round: number;
  at: string;
  outcome: Outcome;
  gains: Record<string, number>;
  answers: Record<string, string>;
}

/** What was put to the parties, in order: the same terms in one round are one proposal, with everybody's answer and gain. */
export function proposals(rounds: readonly Round[]): Proposal[] {
  const found: Proposal[] = [];
  for (const round of rounds) {
    const here = new Map<string, Proposal>();
    for (const said of round.said) {
      if (!said.outcome) continue;
      const key = terms(said.outcome);
      let proposal = here.get(key);
      if (!proposal) {
        proposal = { round: round.round, at: round.at, outcome: said.outcome, gains: said.gains ?? {}, answers: {} };
        here.set(key, proposal);
        found.push(proposal);
      }
      if (typeof said.answer === "string") proposal.answers[said.party] = said.answer;
      else if (said.missing) proposal.answers[said.party] = "no answer";
    }
  }
  return found;
}

/** An offer of free bargaining: who made it in which turn, the rules that refused it, and who accepted it while it was on the table. */
export interface Made {
  turn: number;
  at: string;
  party: string;
  outcome: Outcome;
  refused: string[];
  accepted: string[];
  /** Nobody has put another offer in its place or passed since. */
  stands: boolean;
}

/** The offers that parties made in their turns, in order. One that was refused counted as a pass: it never was on the table. */
export function offers(rounds: readonly Round[]): Made[] {
  const found: Made[] = [];
  for (const round of rounds) {
    for (const said of round.said) {
      if (said.ask !== "offer") continue;
      const before = found.find((each) => each.stands);
      if (before && said.answer === "accept") {
        before.accepted.push(said.party);
        continue;
      }
      if (before) before.stands = false;
      const refused = said.refused ?? [];
      if (said.counter) found.push({ turn: round.round, at: round.at, party: said.party, outcome: said.counter, refused, accepted: [], stands: !refused.length });
    }
  }
  return found;
}

/** What became of an offer, with its state where it has one. */
export function became(made: Made, { parties, opening, how }: Pick<Whole, "parties" | "opening" | "how">): [Status | null, string] {
  if (made.refused.length) {
    const forbids = new Set(opening?.policy.map((rule) => rule.rule));
    const forbidden = made.refused.filter((rule) => forbids.has(rule)), asks = made.refused.filter((rule) => !forbids.has(rule));
    if (!forbidden.length) return ["human", `refused without a person's word: ${asks.join(", ")}`];
    return ["failed", `refused by policy: ${forbidden.join(", ")}${asks.length ? `; and without a person's word: ${asks.join(", ")}` : ""}`];
  }
  if (made.accepted.length >= parties.length - 1) return ["done", "accepted by all"];
  const only = made.accepted.length ? `accepted by ${made.accepted.join(", ")}` : null;
  if (made.stands && how === null) return ["running", `on the table${only ? `, ${only}` : ""}`];
  return [null, only ? `${only} only` : "not accepted"];
}

/** A point of the charts of gains: a proposal, what it ended with, or what a person could approve. */
export interface Step {
  name: string;
  outcome: Outcome;
  gains: Record<string, number | null>;
  answers: Record<string, string>;
  better: boolean;
}

/** The proposals, then the end where it is other terms than the last proposal, then the better terms where there are some. */
export function steps(put: readonly Proposal[], settled: Settled | null): Step[] {
  const found: Step[] = put.map(({ round, outcome, gains, answers }) => ({ name: `round ${round}`, outcome, gains, answers, better: false }));
  if (settled?.outcome && terms(settled.outcome) !== terms(found.at(-1)?.outcome)) found.push({ name: "end", outcome: settled.outcome, gains: settled.gains, answers: {}, better: false });
  if (settled?.better) found.push({ name: "if approved", outcome: settled.better.outcome, gains: settled.better.gains, answers: {}, better: true });
  return found;
}

const places = (value: unknown): number[] => (Array.isArray(value) ? value.filter((each): each is number => typeof each === "number") : []);

/** One message in a line: what was asked and what came back. */
export function line(said: Said): string {
  if (said.missing) return `was asked (${said.ask}), no answer: ${said.missing}`;
  switch (said.ask) {
    case "rank": {
      const list = said.lists?.[0] ?? [];
      const order = places(Array.isArray(said.answer) ? said.answer[0] : null);
      const [best, worst] = [list[order[0] ?? -1], list[order.at(-1) ?? -1]];
      return order.length && list.length ? `ranked ${list.length} outcomes: first ${terms(best)}; last ${terms(worst)}` : `ranked ${list.length} outcomes`;
    }
    case "score": {
      const scores = places(said.answer);
      const top = scores.length ? scores.indexOf(Math.max(...scores)) : -1;
      return `scored ${said.outcomes?.length ?? 0} outcomes${top >= 0 ? `: highest ${terms(said.outcomes?.[top])}` : ""}`;
    }
    case "screen": {
      const yes = Array.isArray(said.answer) ? said.answer.filter(Boolean).length : 0;
      return `would accept ${yes} of ${said.outcomes?.length ?? 0} outcomes`;
    }
    case "table":
      return "gave its wishes as a table";
    case "offer":
      return said.counter ? `offers ${terms(said.counter)}` : said.answer === "accept" ? `accepts ${terms(said.outcome)}` : "passes";
    default: {
      const counter = said.counter ? `, and would rather have ${terms(said.counter)}` : "";
      return `${said.answer === "accept" ? "accepts" : said.answer === "reject" ? "rejects" : said.answer === "counter" ? "counters" : "passes on"} ${terms(said.outcome)}${counter}`;
    }
  }
}

/** Whether terms break a rule; null where only the server can tell (a condition in CEL). */
export function breaks(rule: Rule, outcome: Outcome): boolean | null {
  if (rule.forbid) return Object.entries(rule.forbid).every(([issue, values]) => [values].flat().includes(outcome[issue] as Value));
  if (rule.cost && typeof rule.limit === "number") {
    let sum = 0;
    for (const [issue, costs] of Object.entries(rule.cost)) {
      const pairs: [Value, number][] = Array.isArray(costs) ? costs : Object.entries(costs);
      sum += pairs.find(([value]) => String(value) === String(outcome[issue]))?.[1] ?? 0;
    }
    return sum > rule.limit + 1e-9;
  }
  return null;
}

/** What a rule says, in words. */
export function saying(rule: Rule): string {
  if (rule.forbid) return `not ${Object.entries(rule.forbid).map(([issue, values]) => `${issue} ${[values].flat().join(" or ")}`).join(" with ")}`;
  if (rule.cost && typeof rule.limit === "number") return `${Object.keys(rule.cost).join(" and ")} together at most ${rule.limit}`;
  return `not where ${rule.when ?? "…"}`;
}
