/** What the pages that watch the fleet read. */
import type { Edge, Node, Waiting } from "./schema.ts";

export type { Bottleneck, Bottlenecks, Hop, Kpi, Kpis, KpiSide, Throughput, Traffic } from "./schema.ts";
export type Attention = Waiting;
export type TrafficNode = Node;

/** A line of the map: one edge, or several put together, of which no quantile is known. */
export interface TrafficEdge extends Omit<Edge, "p50_ms" | "p95_ms"> {
  p50_ms: number | null;
  p95_ms: number | null;
}

export interface Playbook {
  name: string;
  kind: string;
  open: number;
  finished: number;
  failed: number;
  steps_done: number;
  steps_all: number;
  at_risk: number;
  oldest_at: string | null;
}

export interface Signal {
  id: string;
  type: string;
  subject: string | null;
  at: string;
  department: string | null;
  task: string | null;
  sent_by: string | null;
  tasks: number;
  stopped: string | null;
}

export interface Signals {
  signals: Signal[];
  next: string | number | null;
}

export interface Subscription {
  id: string;
  type: string;
  condition: string | null;
  skill: string;
  priority: number;
  gather: string | null;
  deadline_ms: number | null;
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
  led_to: Lineage[];
}

export type Lineage = TaskNode | SignalNode;

