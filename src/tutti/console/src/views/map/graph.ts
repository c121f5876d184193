/** The map's graph: who there is and what moves between them; by department where there are too many to be drawn one by one. */
import type { Traffic, TrafficEdge, TrafficNode } from "../../api/watching.ts";
import { nodeName } from "../../words/nodes.ts";
import type { Status } from "../../words/status.ts";

/** More nodes than this are drawn by department. */
export const MOST = 300;

export interface Graph {
  nodes: TrafficNode[];
  edges: TrafficEdge[];
  /** Ways that are declared and that nothing has gone yet, with the signals' types. */
  declared: { from: string; to: string; signals: string[] }[];
  /** The node of the graph that stands for an agent. */
  of: (name: string) => string;
  grouped: boolean;
}

export const edgeKey = (from: string, to: string): string => `${from}\n${to}`;

/** Who a task is from, as the map's nodes are named: all people are one node. */
export const sourceOf = (from: string | null | undefined): string => (!from || from.startsWith("person/") ? "person" : from);

const sum = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value): value is number => value !== null);
  return known.length ? known.reduce((all, each) => all + each, 0) : null;
};
const largest = (values: readonly (number | null)[]): number | null => values.reduce((most, each) => (each !== null && (most === null || each > most) ? each : most), null);

/** The graph of some traffic. `opened` is a department whose agents are drawn one by one although the others are not. */
export function graphOf(traffic: Pick<Traffic, "nodes" | "declared"> & { edges: readonly TrafficEdge[] }, opened = "", most = MOST): Graph {
  const grouped = traffic.nodes.length > most;
  const groups = new Map<string, TrafficNode[]>();
  const place = new Map<string, string>();
  const nodes: TrafficNode[] = [];
  for (const node of traffic.nodes) {
    if (grouped && node.kind === "agent" && node.department && node.department !== opened) {
      const name = `department ${node.department}`;
      place.set(node.name, name);
      groups.set(name, [...(groups.get(name) ?? []), node]);
    } else nodes.push(node);
  }
  for (const [name, members] of groups) nodes.push(together(name, members));
  const of = (name: string) => place.get(name) ?? name;
  const known = new Set(nodes.map((node) => node.name));
  return { nodes, edges: edgesOf(traffic.edges, of, known), declared: declaredOf(traffic.declared, of, known), of, grouped };
}

function together(name: string, members: TrafficNode[]): TrafficNode {
  const of = (key: "open" | "running" | "concurrency" | "waiting" | "needs_person" | "tasks") => sum(members.map((node) => node[key]));
  const ill = members.filter(failing).length;
  return {
    name, kind: "department", department: members[0]!.department, version: null, state: null, health: ill ? `${ill} of ${members.length} agents failing` : "ok", open: of("open"), running: of("running"),
    concurrency: of("concurrency"), waiting: of("waiting"), needs_person: of("needs_person"), p95_ms: largest(members.map((node) => node.p95_ms)), tasks: of("tasks"),
  };
}

function edgesOf(edges: readonly TrafficEdge[], of: (name: string) => string, known: ReadonlySet<string>): TrafficEdge[] {
  const found = new Map<string, TrafficEdge>();
  for (const edge of edges) {
    const from = of(edge.from), to = of(edge.to);
    if (!known.has(from) || !known.has(to) || (from === to && (from !== edge.from || to !== edge.to))) continue; // what stays within a department is no edge
    const key = edgeKey(from, to), before = found.get(key);
    // quantiles of several edges cannot be put together: they are said only where one edge is one
    found.set(key, before ? { from, to, count: before.count + edge.count, p50_ms: null, p95_ms: null } : { ...edge, from, to });
  }
  return [...found.values()];
}

function declaredOf(declared: Traffic["declared"], of: (name: string) => string, known: ReadonlySet<string>): Graph["declared"] {
  const found = new Map<string, { from: string; to: string; signals: string[] }>();
  for (const each of declared) {
    const from = of(each.from), to = of(each.to);
    if (from === to || !known.has(from) || !known.has(to)) continue;
    const way = found.get(edgeKey(from, to)) ?? { from, to, signals: [] };
    if (!way.signals.includes(each.signal)) way.signals.push(each.signal);
    found.set(edgeKey(from, to), way);
  }
  return [...found.values()];
}

export const failing = (node: Pick<TrafficNode, "health">): boolean => node.health !== null && node.health !== "ok";

/** What a node is at, the gravest first. */
export function nodeStatus(node: TrafficNode): Status {
  if (failing(node)) return "failed";
  if (node.needs_person) return "human";
  if (node.running) return "running";
  if (node.waiting) return "waiting";
  return "queued";
}

/** The same in words. */
export function nodeWords(node: TrafficNode): string {
  if (failing(node)) return node.health === null || node.health === "open" ? "failing" : `failing: ${node.health}`;
  if (node.needs_person) return `waits for a person: ${node.needs_person}`;
  if (node.running) return `running ${node.running}${node.concurrency ? ` of ${node.concurrency}` : ""}`;
  if (node.waiting) return `waiting: ${node.waiting}`;
  return "idle";
}

/** How wide a line is for so many hops, when the busiest has `most`: 1 to 6 px, by the logarithm. */
export const widthOf = (count: number, most: number): number => (count <= 0 ? 1 : 1 + (5 * Math.log1p(count)) / Math.log1p(Math.max(most, 1)));

/** What a node is called on the map. */
export const nodeTitle = ({ name, kind }: Pick<TrafficNode, "name" | "kind">): string => (kind === "department" ? name.replace(/^department /, "") : nodeName(name));

/** How much came to each node, out of counts by edge. */
export function arrivals(counts: ReadonlyMap<string, number>): Map<string, number> {
  const found = new Map<string, number>();
  for (const [key, n] of counts) {
    const to = key.slice(key.indexOf("\n") + 1);
    found.set(to, (found.get(to) ?? 0) + n);
  }
  return found;
}

/** Nodes as far as they tell of the time that is played: what is open or running is known only for now. */
export const asPlayed = (nodes: readonly TrafficNode[]): TrafficNode[] => nodes.map((node) => ({ ...node, open: null, running: null, waiting: null, needs_person: null, health: null }));
