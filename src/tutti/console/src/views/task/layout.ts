/** The timeline's layout: which stretches share a lane, and where an instant stands when time in which nobody works is folded up. Numbers only; drawing is the page's. */

export interface Span {
  id: string;
  task: string;
  parent: string | null;
  depth: number;
  label: string;
  skill: string;
  agent: string | null;
  version: string | null;
  kind: string;
  status: string;
  attempt: number | null;
  started_at: string;
  ended_at: string | null;
  note: string | null;
}

export interface Lane {
  key: string;
  task: string;
  /** How far it is indented: its place in the tree, and one more for a further attempt. */
  indent: number;
  skill: string;
  agent: string | null;
  /** The attempt that it shows, where it is not the first. */
  attempt: number | null;
  spans: Span[];
}

/** One lane for each task, in the order of the tree, and one more for each further attempt: what is waited for before an attempt belongs to it. */
export function lanes(spans: readonly Span[]): Lane[] {
  const found: Lane[] = [];
  const begin = (span: Span, attempt: number | null): Lane => {
    const lane: Lane = { key: attempt ? `${span.task}/${attempt}` : span.task, task: span.task, indent: span.depth + (attempt ? 1 : 0), skill: span.skill, agent: null, attempt, spans: [] };
    found.push(lane);
    return lane;
  };
  for (const span of spans) {
    let lane = found.at(-1);
    if (lane?.task !== span.task) lane = begin(span, null);
    const former = lane.spans.findLast((each) => each.kind === "run");
    if (span.kind === "run" && former && span.attempt !== former.attempt) {
      const waited = lane.spans.splice(lane.spans.indexOf(former) + 1);
      lane = begin(span, span.attempt);
      lane.spans.push(...waited);
    }
    lane.spans.push(span);
    lane.agent = span.agent ?? lane.agent;
  }
  return found;
}

/** A stretch that is drawn shorter than it was. Places are 0..1, times milliseconds. */
export interface Fold {
  from: number;
  to: number;
  start: number;
  end: number;
  hidden: number;
}

export interface Scale {
  from: number;
  until: number;
  folds: Fold[];
  /** Milliseconds that the drawing leaves out. */
  hidden: number;
  place: (at: number) => number;
  instant: (place: number) => number;
}

const FOLDED = 0.35; // what all folds together may take, beside the time that was worked
const LEAST = 0.03; // and one of them at least, so that it is still seen

const start = (span: Span) => Date.parse(span.started_at);
const end = (span: Span, now: number) => Math.max(span.ended_at ? Date.parse(span.ended_at) : now, start(span));

/** Where instants stand. With `fold`, every stretch in which no agent works is drawn at most as long as a share of the work. */
export function scale(spans: readonly Span[], now: number, fold: boolean): Scale {
  const from = Math.min(...spans.map(start)), until = Math.max(...spans.map((span) => end(span, now)));
  if (!spans.length || until <= from) return { from: spans.length ? from : now, until: spans.length ? until : now, folds: [], hidden: 0, place: () => 0, instant: () => (spans.length ? from : now) };
  const busy = union(spans.filter((span) => span.kind === "run").map((span) => [start(span), end(span, now)]));
  const worked = busy.reduce((sum, [a, b]) => sum + b - a, 0);
  const edges = new Set([from, until, ...busy.flat()]);
  for (const span of spans) edges.add(start(span)).add(end(span, now));
  const points = [...edges].sort((a, b) => a - b);
  const begins = busy.map(([begin]) => begin);
  const idle = (a: number) => !busy.length || a < begins[0]! || busy[atOrBefore(begins, a)]![1] <= a; // pieces end where work begins, so their start says it
  const pieces = points.slice(1).map((to, number) => ({ from: points[number]!, to, idle: idle(points[number]!) }));
  const long = pieces.filter((piece) => piece.idle && piece.to - piece.from > LEAST * worked);
  const most = fold && worked > 0 ? Math.max(FOLDED / Math.max(long.length, 1), LEAST) * worked : Infinity;
  const sizes = pieces.map((piece) => (piece.idle ? Math.min(piece.to - piece.from, most) : piece.to - piece.from));
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  const places = [0];
  for (const size of sizes) places.push(places.at(-1)! + size / whole);
  const folds = pieces.flatMap((piece, number) => {
    const hidden = piece.to - piece.from - sizes[number]!;
    return hidden > 0 ? [{ from: piece.from, to: piece.to, start: places[number]!, end: places[number + 1]!, hidden }] : [];
  });
  const between = (value: number, keys: readonly number[], values: readonly number[]) => {
    if (value <= keys[0]!) return values[0]!;
    if (value >= keys.at(-1)!) return values.at(-1)!;
    const number = atOrBefore(keys, value);
    const [a, b] = [keys[number]!, keys[number + 1]!];
    return values[number]! + (b > a ? (value - a) / (b - a) : 0) * (values[number + 1]! - values[number]!);
  };
  return {
    from, until, folds, hidden: folds.reduce((sum, each) => sum + each.hidden, 0),
    place: (at) => Math.min(between(at, points, places), 1), instant: (place) => between(place, places, points),
  };
}

/** The place of the last key that is not greater: keys ascend. */
function atOrBefore(keys: readonly number[], value: number): number {
  let low = 0, high = keys.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (keys[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Stretches that touch or overlap become one. */
function union(stretches: readonly [number, number][]): [number, number][] {
  const found: [number, number][] = [];
  for (const [a, b] of [...stretches].sort((x, y) => x[0] - y[0])) {
    const last = found.at(-1);
    if (last && a <= last[1]) last[1] = Math.max(last[1], b);
    else found.push([a, b]);
  }
  return found;
}

/** How a stretch is drawn: its colour and its pattern, so that colour alone never says it. */
export function look(span: Span): "done" | "running" | "failed" | "queued" | "waiting" | "human" {
  if (span.kind === "run") return span.status === "failed" ? "failed" : span.ended_at === null ? "running" : "done";
  if (span.kind === "person" || span.kind === "question") return "human";
  return span.kind === "queue" ? "queued" : "waiting";
}

const WORDS: Record<string, [now: string, then: string]> = {
  run: ["works", "worked"], queue: ["is queued for an agent", "was queued for an agent"], person: ["waits for a person", "waited for a person"], question: ["asks a person", "asked a person"],
  lease: ["waits for a resource", "waited for a resource"], join: ["waits for other tasks", "waited for other tasks"], backoff: ["waits for the next attempt", "waited for the next attempt"],
};

/** What a stretch is or was, in words: `works`, `waited for a person`, `worked, failed`. */
export function did(span: Pick<Span, "kind" | "status" | "ended_at">): string {
  const words = WORDS[span.kind]?.[span.ended_at === null ? 0 : 1] ?? span.kind;
  return span.kind === "run" && span.status === "failed" ? `${words}, failed` : words;
}

/** Milliseconds of a stretch so far. */
export const took = (span: Span, now: number): number => end(span, now) - start(span);

/** The tasks of a timeline, each once, in the order of the tree. */
export function tree(spans: readonly Span[], now: number): { task: string; depth: number; skill: string; agent: string | null; status: string; from: string; ms: number }[] {
  const found = new Map<string, { task: string; depth: number; skill: string; agent: string | null; status: string; from: string; ms: number }>();
  for (const span of spans) {
    const before = found.get(span.task);
    const ms = end(span, now) - Date.parse(before?.from ?? span.started_at);
    found.set(span.task, { task: span.task, depth: span.depth, skill: span.skill, agent: span.agent ?? before?.agent ?? null, status: look(span), from: before?.from ?? span.started_at, ms });
  }
  return [...found.values()];
}
