/** What the pages that watch the fleet read. */
import type { Edge, Node, Playing, Subscribed, Undecided, Waiting } from "./schema.ts";

export type { Bottleneck, Bottlenecks, Hop, Kpi, Kpis, KpiSide, Signal, Signals, Throughput, Traffic, Undecided } from "./schema.ts";
export type Attention = Waiting;
export type Playbook = Playing;
export type Subscription = Subscribed;
export type TrafficNode = Node;

/** A line of the map: one edge, or several put together, of which no quantile is known. */
export interface TrafficEdge extends Omit<Edge, "p50_ms" | "p95_ms"> {
  p50_ms: number | null;
  p95_ms: number | null;
}

export interface TaskNode {
  task: string;
  skill: string;
  state: string;
  agent: string | null;
  nature: string;
  reason: string | null;
  amount: number | null;
  led_to: Lineage[];
}

export interface SignalNode {
  signal: string;
  type: string;
  at: string;
  subject: string | null;
  stopped: string | null;
  undecided: Undecided[];
  led_to: Lineage[];
}

export type Lineage = TaskNode | SignalNode;

