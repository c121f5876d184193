/** What the pages that watch the fleet read. */

export interface KpiSide {
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
  of: number;
  p50: number | null;
}

export interface Kpi extends KpiSide {
  name: string;
  unit: string;
  before: KpiSide;
  difference: { value: number; low: number; high: number } | null;
  target: number | null;
  better: string;
  series: { at: string; value: number | null; n: number }[];
}

export interface Kpis {
  from_at: string;
  split_at: string;
  until_at: string;
  currency: string | null;
  kpis: Kpi[];
}

export interface Throughput {
  from_at: string;
  until_at: string;
  bucket_ms: number;
  buckets: { at: string; alone: number; person: number; failed: number; submitted: number }[];
}

export interface Bottleneck {
  from: string;
  to: string;
  cause: string;
  tasks: number;
  open: number;
  lost_ms: number;
  lost_per_hour_ms: number;
  p50_ms: number | null;
  p95_ms: number | null;
  detail: string;
}

export interface Bottlenecks {
  window_ms: number;
  since: string;
  bottlenecks: Bottleneck[];
}

export interface Attention {
  kind: string;
  id: string;
  task: string | null;
  title: string;
  why: string;
  since: string;
  agent: string | null;
  department: string | null;
  amount: number | null;
  currency: string | null;
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

export interface TrafficNode {
  name: string;
  kind: string;
  department: string | null;
  version: string | null;
  state: string | null;
  health: string | null;
  open: number | null;
  running: number | null;
  concurrency: number | null;
  waiting: number | null;
  needs_person: number | null;
  p95_ms: number | null;
  tasks: number | null;
}

export interface TrafficEdge {
  from: string;
  to: string;
  count: number;
  p50_ms: number | null;
  p95_ms: number | null;
}

export interface Hop {
  at: string;
  took_ms: number;
  from: string;
  to: string;
  task: string;
  skill: string;
}

export interface Traffic {
  from_at: string;
  until_at: string;
  nodes: TrafficNode[];
  edges: TrafficEdge[];
  declared: { from: string; to: string; signal: string }[];
  hops: Hop[];
  truncated: boolean;
}
