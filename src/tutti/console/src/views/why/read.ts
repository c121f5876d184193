/** The API's answer to "why" as the page shows it. */
import type { ConflictSeen } from "../../api/schema.ts";
import type { FactOfWhy } from "../task/inspector.tsx";
import type { Backlog, Bid, Gate, Joint, PlanTold } from "./extras.tsx";
import type { Change } from "./parts.tsx";
import type { Candidate, Parts } from "./record.ts";

const PARTS = ["quality", "latency", "cost", "load"] as const;
type PartName = (typeof PARTS)[number];

interface RawCandidate extends Partial<Pick<Candidate, "rank" | "state" | "level" | "low" | "high" | "chosen" | "tie">> {
  agent: string;
  version: string;
  quality: number;
  drawn: number;
  judged: number;
  latency_ms: number;
  cost: number;
  load: number;
  score: number;
  propensity: number;
  parts: Record<PartName, number>;
}

interface Route {
  at: string;
  seq: number;
  chosen: string;
  score: number;
  explored: boolean;
  weights: Record<PartName, number>;
  offered: number;
  candidates: RawCandidate[];
  ruled_out: { agent: string; rule: string }[];
  ruled_out_count: number;
  case: string[];
  bids: Bid[];
  joint: Joint | null;
}

export interface Input {
  kind: string;
  name: string;
  value: string | null;
  age_ms: number | null;
  masked: string[];
}

export interface Check {
  name: string;
  value: string | null;
  limit: string | null;
  /** null: it is not kept by itself, a person is asked. */
  ok: boolean | null;
  says: string;
}

export interface TurnedOut {
  rows: { name: string; kind: "quality" | "ms" | "money" | "count"; value: number | null; expected: number | null }[];
  judgements: { quality: number; source: string; by: string; check: string | null; at: string }[];
}

export interface Raw {
  schema: string;
  task: string;
  skill: string;
  state: string;
  sentence: string;
  backlog: Backlog | null;
  route: Route | null;
  gate: Gate | null;
  would_change: Change[];
  turned_out: { state: string; attempts: number; ms: number; judgements: TurnedOut["judgements"] };
  facts: FactOfWhy[];
  input: unknown;
  output: unknown;
  detail: unknown;
  conflicts?: ConflictSeen[];
  negotiation?: string[];
  plan?: PlanTold;
}

export const read = (raw: Raw) => {
  const route = raw.route;
  const candidates: Candidate[] = (route?.candidates ?? []).map((one, place) => ({
    rank: place + 1, state: null, level: null, low: null, high: null, chosen: `${one.agent} ${one.version}` === route?.chosen, tie: false, ...one,
  }));
  return {
    task: raw.task, skill: raw.skill, state: raw.state, sentence: raw.sentence, chosen: route?.chosen ?? null, decided_at: route?.at ?? null, took_ms: null as number | null, policy: raw.gate?.policy ?? null,
    decided_by: null as string | null, margin: null as number | null, seq: route?.seq ?? null, leaf: null as string | null, trace: null as string | null, explored: route?.explored ?? false, candidates,
    parts: null as Parts | null, ruled_out: route?.ruled_out ?? [], ruled_out_count: route?.ruled_out_count ?? 0, would_change: raw.would_change, inputs: [] as Input[], checks: [] as Check[],
    route, gate: raw.gate, joint: route?.joint ?? null, bids: route?.bids ?? [], backlog: raw.backlog, conflicts: raw.conflicts ?? [], negotiation: raw.negotiation ?? [], plan: raw.plan ?? null,
    turned_out: { rows: raw.turned_out.attempts ? [{ name: "time", kind: "ms" as const, value: raw.turned_out.ms, expected: null }] : [], judgements: raw.turned_out.judgements } as TurnedOut,
  };
};
