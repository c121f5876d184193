/** What a signal led to, as rows of a tree: flat, with depth, so that a large one is drawn only as far as it is in sight. */
import type { Lineage } from "../../api/watching.ts";

export interface Row {
  key: string;
  node: Lineage;
  depth: number;
  /** How many lie below it, at any depth. */
  below: number;
  open: boolean;
}

export const keyOf = (node: Lineage): string => ("task" in node ? node.task : node.signal);

/** How many tasks and signals lie below. */
export function sizes(node: Lineage, into: Map<Lineage, number> = new Map()): Map<Lineage, number> {
  let below = 0;
  for (const child of node.led_to) {
    sizes(child, into);
    below += 1 + (into.get(child) ?? 0);
  }
  return into.set(node, below);
}

/** The rows in order: a node, then what it led to, unless it is shut. A task that stands at several places has a key for each. */
export function rowsOf(top: Lineage, shut: ReadonlySet<string>): Row[] {
  const below = sizes(top);
  const rows: Row[] = [];
  const walk = (node: Lineage, depth: number, above: string) => {
    const key = above ? `${above}/${keyOf(node)}` : keyOf(node);
    const open = !shut.has(key);
    rows.push({ key, node, depth, below: below.get(node) ?? 0, open });
    if (open) for (const child of node.led_to) walk(child, depth + 1, key);
  };
  walk(top, 0, "");
  return rows;
}

/** What it led to in all: tasks by their state, and further signals. */
export function sums(top: Lineage): { tasks: number; signals: number; states: Record<string, number>; actions: number } {
  const found = { tasks: 0, signals: 0, states: {} as Record<string, number>, actions: 0 };
  const walk = (node: Lineage) => {
    if ("task" in node) {
      found.tasks++;
      found.states[node.state] = (found.states[node.state] ?? 0) + 1;
      if (node.nature === "action") found.actions++;
    } else found.signals++;
    node.led_to.forEach(walk);
  };
  top.led_to.forEach(walk);
  return found;
}
