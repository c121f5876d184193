/** Where the cards stand and how the lines run: causes to the left of effects, and who has nothing to do with anybody below. */
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
  width: number;
  height: number;
}

export interface Edge {
  from: string;
  to: string;
}

/** Lay out the graph. Equal graphs are laid out equally, in whatever order they come. */
export function layOut(names: readonly string[], edges: readonly Edge[]): Layout {
  const sorted = [...names].sort();
  const ties = edges.filter((edge) => edge.from !== edge.to && sorted.includes(edge.from) && sorted.includes(edge.to));
  const tied = new Set(ties.flatMap(({ from, to }) => [from, to]));
  const graph = new dagre.graphlib.Graph().setGraph({ rankdir: "LR", nodesep: GAP.y, ranksep: GAP.x, marginx: 8, marginy: 8, ranker: sorted.length > 150 ? "longest-path" : "network-simplex" }).setDefaultEdgeLabel(() => ({}));
  for (const name of sorted) if (tied.has(name)) graph.setNode(name, { ...CARD });
  for (const { from, to } of [...ties].sort((a, b) => (edgeKey(a.from, a.to) < edgeKey(b.from, b.to) ? -1 : 1))) graph.setEdge(from, to);
  const places = new Map<string, Place>();
  const paths = new Map<string, string>();
  let width = 0, height = 0;
  if (tied.size) {
    dagre.layout(graph);
    for (const name of graph.nodes()) {
      const { x, y } = graph.node(name);
      places.set(name, { x, y });
      width = Math.max(width, x + CARD.width / 2 + 8);
      height = Math.max(height, y + CARD.height / 2 + 8);
    }
  }
  const alone = sorted.filter((name) => !tied.has(name));
  const columns = Math.max(Math.floor((Math.max(width, 4 * (CARD.width + GAP.y)) - 8) / (CARD.width + GAP.y)), 1);
  const below = height ? height + GAP.y : 8;
  alone.forEach((name, place) => {
    const x = 8 + CARD.width / 2 + (place % columns) * (CARD.width + GAP.y), y = below + CARD.height / 2 + Math.floor(place / columns) * (CARD.height + GAP.y);
    places.set(name, { x, y });
    width = Math.max(width, x + CARD.width / 2 + 8);
    height = Math.max(height, y + CARD.height / 2 + 8);
  });
  for (const { from, to } of edges) {
    const a = places.get(from), b = places.get(to);
    if (!a || !b) continue;
    // dagre bends an edge between columns too (for labels, which there are none of); only the bends in columns keep it off other cards
    const bends = from === to ? [] : ((graph.edge(from, to) as { points?: Place[] } | undefined)?.points ?? []).slice(1, -1).filter((_, place) => place % 2 === 1);
    paths.set(edgeKey(from, to), from === to ? loop(a) : line(a, b, bends));
  }
  return { places, paths, width, height };
}

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
