/** What the API tells of a decision where its own description leaves the shape open, and small readings of it. */
import type { Why } from "../../api/schema.ts";
import type { Backlog, Bid, Gate, Joint, PlanTold } from "./extras.tsx";

export interface Route {
  chosen: string;
  explored: boolean;
  offered: number;
  ruled_out_count: number;
  case: string[];
  bids: Bid[];
  joint: Joint | null;
}

export interface Whole extends Omit<Why, "route" | "gate" | "backlog" | "plan"> {
  route: Route | null;
  gate: Gate | null;
  backlog: Backlog | null;
  plan?: PlanTold;
}

/** The sentence without what stands in a list of its own further down. */
export const own = ({ sentence, negotiation }: Pick<Whole, "sentence" | "negotiation">): string => (negotiation?.length ? sentence.replace(` ${negotiation.join(" ")}`, "") : sentence);

const MOST = 160;

/** A value of anybody's in one line: text as it is, the rest as JSON, long ones cut. */
export function line(value: unknown): string {
  const text = typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
  return text.length > MOST ? `${text.slice(0, MOST)}…` : text;
}

export interface Outcome {
  name: string;
  unit: "quality" | "ms" | "money" | "count";
  value: number;
  expected: number | null;
}

/** What came out beside what was expected; nothing where nothing has come out. */
export function outcomes({ turned_out: out }: Pick<Why, "turned_out">): Outcome[] {
  const found: Outcome[] = [];
  if (out.quality !== null) found.push({ name: "Quality", unit: "quality", value: out.quality, expected: out.expected?.quality ?? null });
  if (out.attempts > 0) {
    found.push({ name: "Time it worked", unit: "ms", value: out.ms, expected: out.expected?.ms ?? null }, { name: "Cost", unit: "money", value: out.cost, expected: out.expected?.cost ?? null });
    if (out.attempts > 1) found.push({ name: "Attempts", unit: "count", value: out.attempts, expected: 1 });
  }
  return found;
}

export const BY: Record<string, string> = { rule: "rule, alone", score: "score, alone", person: "a person", model: "a model" };
