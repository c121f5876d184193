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
