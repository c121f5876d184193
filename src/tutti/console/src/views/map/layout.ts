/** Where the cards stand and how the lines run: causes to the left of effects, and who has nothing to do with anybody below; many of them by department. */
import dagre from "@dagrejs/dagre";
import { edgeKey } from "./graph.ts";

export const CARD = { width: 138, height: 46 } as const;
const GAP = { x: 40, y: 14 } as const;

export interface Place {
  x: number;
  y: number;
}

export interface Layout {
  /** The middle of each card. */
  places: ReadonlyMap<string, Place>;
  /** The line of each edge, as an SVG path from card to card. */
  paths: ReadonlyMap<string, string>;
  /** The names of the blocks, where there are blocks. */
  groups: { name: string; x: number; y: number }[];
  width: number;
  height: number;
}

export interface Edge {
  from: string;
  to: string;
}

export interface Node {
  name: string;
  /** What it stands together with where there are many: its department. */
  group: string;
}

const LAYERED = 150; // more cards than this are never laid out in layers
const FEW = 24; // cards that have room for lines between them
const SPARSE = 6; // times the cards' own room: a layered map that takes more is mostly empty

/** Lay out the graph: in layers from causes to effects, or, where that would be mostly empty, by department. Equal graphs are laid out equally. */
export function layOut(nodes: readonly Node[], edges: readonly Edge[]): Layout {
  const sorted = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
  const known = new Set(sorted.map((node) => node.name));
  const ties = edges.filter(({ from, to }) => known.has(from) && known.has(to));
  if (sorted.length <= LAYERED) {
    const found = layered(sorted.map((node) => node.name), ties);
    if (found.width * found.height <= SPARSE * sorted.length * (CARD.width + GAP.x) * (CARD.height + GAP.y)) return found;
  }
  return blocks(sorted, ties);
}

function layered(names: readonly string[], edges: readonly Edge[]): Layout {
  const ties = edges.filter((edge) => edge.from !== edge.to);
  const tied = new Set(ties.flatMap(({ from, to }) => [from, to]));
  const graph = new dagre.graphlib.Graph().setGraph({ rankdir: "LR", nodesep: GAP.y, ranksep: GAP.x, marginx: 8, marginy: 8 }).setDefaultEdgeLabel(() => ({}));
  for (const name of names) if (tied.has(name)) graph.setNode(name, { ...CARD });
  for (const { from, to } of [...ties].sort((a, b) => (edgeKey(a.from, a.to) < edgeKey(b.from, b.to) ? -1 : 1))) graph.setEdge(from, to);
  const places = new Map<string, Place>();
  if (tied.size) {
    dagre.layout(graph);
    for (const name of graph.nodes()) {
      const { x, y } = graph.node(name);
      places.set(name, { x, y });
    }
  }
  const bends = new Map<string, Place[]>();
  for (const { from, to } of ties) {
    // dagre bends an edge between columns too (for labels, which there are none of); only the bends in columns keep it off other cards
    const points = (graph.edge(from, to) as { points?: Place[] } | undefined)?.points ?? [];
    bends.set(edgeKey(from, to), points.slice(1, -1).filter((_, place) => place % 2 === 1));
  }
  // it makes room for the cards alone: a line that runs above them all would be cut off
  const above = 8 - Math.min(8, ...[...bends.values()].flat().map((bend) => bend.y));
  for (const [name, { x, y }] of places) places.set(name, { x, y: y + above });
  const lowest = Math.max(0, ...[...bends.values()].flat().map((bend) => bend.y + above));
  const { width, height } = extent(places);
  const alone = names.filter((name) => !tied.has(name));
  const columns = Math.max(Math.floor((Math.max(width, 4 * (CARD.width + GAP.y)) - 8) / (CARD.width + GAP.y)), 1);
  block(alone, columns, { x: 8, y: height ? Math.max(height, lowest) + GAP.y : 8 }, places);
  const beside = apartOf(edges);
  const paths = new Map(edges.map(({ from, to }) => [edgeKey(from, to), path(places, from, to, (bends.get(edgeKey(from, to)) ?? []).map(({ x, y }) => ({ x, y: y + above })), beside({ from, to }))]));
  const all = extent(places);
  return { places, paths, groups: [], width: all.width, height: Math.max(all.height, lowest + 8) };
}

/** Departments as blocks on shelves, their agents in rows. */
function blocks(nodes: readonly Node[], edges: readonly Edge[]): Layout {
  const members = new Map<string, string[]>();
  for (const { name, group } of nodes) members.set(group, [...(members.get(group) ?? []), name]);
  const gap = nodes.length <= FEW ? { x: 90, y: 70 } : { x: GAP.y, y: GAP.y };
  const cell = { width: CARD.width + gap.x, height: CARD.height + gap.y }, above = 24, apart = 36;
  const wide = Math.max(Math.sqrt(nodes.length * cell.width * cell.height * 1.7), 4 * cell.width);
  const places = new Map<string, Place>();
  const groups: Layout["groups"] = [];
  let x = 8, y = 8, shelf = 0;
  for (const [group, names] of [...members].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const columns = Math.max(Math.ceil(Math.sqrt(names.length * 0.5)), 1), size = { width: columns * cell.width, height: above + Math.ceil(names.length / columns) * cell.height };
    if (x > 8 && x + size.width > wide) [x, y, shelf] = [8, y + shelf + apart / 2, 0];
    if (members.size > 1) groups.push({ name: group, x, y: y + 14 });
    block(names, columns, { x, y: y + above }, places, gap);
    x += size.width + apart;
    shelf = Math.max(shelf, size.height);
  }
  const beside = apartOf(edges);
  return { places, paths: new Map(edges.map(({ from, to }) => [edgeKey(from, to), path(places, from, to, [], beside({ from, to }))])), groups, ...extent(places) };
}

function block(names: readonly string[], columns: number, corner: Place, places: Map<string, Place>, gap: { x: number; y: number } = { x: GAP.y, y: GAP.y }): void {
  names.forEach((name, place) => places.set(name, {
    x: corner.x + CARD.width / 2 + (place % columns) * (CARD.width + gap.x), y: corner.y + CARD.height / 2 + Math.floor(place / columns) * (CARD.height + gap.y),
  }));
}

function extent(places: ReadonlyMap<string, Place>): { width: number; height: number } {
  let width = 0, height = 0;
  for (const { x, y } of places.values()) [width, height] = [Math.max(width, x + CARD.width / 2 + 8), Math.max(height, y + CARD.height / 2 + 8)];
  return { width, height };
}

/** Where work goes both ways, each way has a line of its own: `apart` moves it off the other's. */
function path(places: ReadonlyMap<string, Place>, from: string, to: string, bends: readonly Place[], apart: number): string {
  const off = ({ x, y }: Place) => ({ x, y: y + apart });
  const a = places.get(from)!, b = places.get(to)!;
  return from === to ? loop(a) : line(off(a), off(b), bends.map(off));
}

const BESIDE = 6; // px
const apartOf = (edges: readonly Edge[]): ((edge: Edge) => number) => {
  const there = new Set(edges.map(({ from, to }) => edgeKey(from, to)));
  return ({ from, to }) => (from !== to && there.has(edgeKey(to, from)) ? (from < to ? -BESIDE : BESIDE) : 0);
};

const round = (value: number) => Math.round(value * 10) / 10;

/** From the side of one card to the side of the other, level at every bend. */
function line(a: Place, b: Place, bends: readonly Place[]): string {
  const side = b.x >= a.x ? 1 : -1;
  const half = (side * CARD.width) / 2;
  let x = round(a.x + half), y = round(a.y), path = `M${x},${y}`;
  const go = (to: Place) => {
    const middle = round((x + to.x) / 2);
    [x, y] = [round(to.x), round(to.y)];
    path += ` C${middle},${path.slice(path.lastIndexOf(",") + 1)} ${middle},${y} ${x},${y}`;
  };
  for (const bend of bends) {
    go({ x: bend.x - half, y: bend.y });
    x = round(bend.x + half);
    path += ` L${x},${y}`;
  }
  go({ x: b.x - half, y: b.y });
  return path;
}

/** From a card back to itself, over its upper corner. */
function loop({ x, y }: Place): string {
  const right = x + CARD.width / 2, top = y - CARD.height / 2;
  return `M${round(right - 30)},${round(top)} C${round(right - 30)},${round(top - 22)} ${round(right + 24)},${round(top - 8)} ${round(right)},${round(top + 14)}`;
}

/** The nearest card in a direction, for the arrow keys; null where there is none. */
export function neighbour(places: ReadonlyMap<string, Place>, from: string, dx: number, dy: number): string | null {
  const here = places.get(from);
  if (!here) return null;
  let best: string | null = null, least = Infinity;
  for (const [name, place] of places) {
    if (name === from) continue;
    const along = (place.x - here.x) * dx + (place.y - here.y) * dy, across = Math.abs((place.x - here.x) * dy) + Math.abs((place.y - here.y) * dx);
    if (along <= 1) continue;
    const far = along + 2.5 * across;
    if (far < least) [best, least] = [name, far];
  }
  return best;
}
