import { describe, expect, it } from "vitest";
import { did, lanes, look, scale, type Span, tree } from "./layout.ts";

const T0 = Date.parse("2026-11-29T14:00:00.000Z");
let number = 0;
const span = (kind: string, from: number, to: number | null, more: Partial<Span> = {}): Span => ({
  id: `t-1/${number++}`, task: "t-1", parent: null, depth: 0, label: "x", skill: "x", agent: kind === "run" ? "a" : null, version: null, kind,
  status: kind === "run" ? "done" : "waiting", attempt: kind === "run" ? 1 : null, started_at: new Date(T0 + from).toISOString(), ended_at: to === null ? null : new Date(T0 + to).toISOString(), note: null, ...more,
});

describe("lanes", () => {
  it("keeps a task's stretches together and gives each further attempt a lane of its own, with the wait before it", () => {
    const found = lanes([span("queue", 0, 10), span("run", 10, 20, { status: "failed" }), span("backoff", 20, 50), span("run", 50, 60, { attempt: 2 }), span("person", 60, 90)]);
    expect(found.map((lane) => [lane.attempt, lane.indent, lane.spans.map((each) => each.kind)])).toEqual([
      [null, 0, ["queue", "run"]], [2, 1, ["backoff", "run", "person"]],
    ]);
  });
  it("leaves the parts of one attempt, cut by a wait for others, in one lane", () => {
    expect(lanes([span("run", 0, 5), span("join", 5, 9), span("run", 9, 12)])).toHaveLength(1);
  });
  it("follows the tree", () => {
    const found = lanes([span("run", 0, 5), span("run", 5, 9, { task: "t-2", depth: 1 })]);
    expect(found.map((lane) => [lane.task, lane.indent])).toEqual([["t-1", 0], ["t-2", 1]]);
  });
});

describe("scale", () => {
  const burst = [span("queue", 0, 100), span("run", 100, 1_100), span("person", 1_100, 86_400_000), span("run", 86_400_000, 86_401_000)];

  it("without folding is linear", () => {
    const { place, hidden } = scale([span("run", 0, 100), span("person", 100, 400)], T0, false);
    expect(hidden).toBe(0);
    expect(place(T0 + 100)).toBeCloseTo(0.25);
  });
  it("folds a day of waiting so that the work is seen, and says how much it hides", () => {
    const { place, hidden, folds } = scale(burst, T0, true);
    expect(folds).toHaveLength(1);
    const drawn = place(T0 + 86_400_000) - place(T0 + 1_100);
    expect(drawn).toBeLessThan(0.25);
    expect(place(T0 + 1_100) - place(T0 + 100)).toBeGreaterThan(0.35);
    expect(hidden).toBeCloseTo(86_400_000 - 1_100 - 2_000 * 0.175, 3);
    expect(folds[0]!.hidden).toBe(hidden);
  });
  it("never turns time round, ends at 1, and its inverse finds the instant again", () => {
    const { place, instant, from, until } = scale(burst, T0, true);
    expect(place(from)).toBe(0);
    expect(place(until)).toBeCloseTo(1);
    let last = -1;
    for (let at = from; at <= until; at += (until - from) / 977) {
      expect(place(at)).toBeGreaterThanOrEqual(last);
      last = place(at);
      expect(Math.abs(instant(place(at)) - at)).toBeLessThan(1);
    }
  });
  it("folds nothing where somebody works all the time, nor where nobody has worked yet", () => {
    expect(scale([span("run", 0, 50_000)], T0, true).hidden).toBe(0);
    expect(scale([span("person", 0, 50_000)], T0, true).hidden).toBe(0);
  });
  it("does not fold a wait during which another task works", () => {
    expect(scale([span("join", 0, 60_000), span("run", 0, 60_000, { task: "t-2" })], T0, true).hidden).toBe(0);
  });
  it("draws what goes on until now", () => {
    const { until } = scale([span("run", 0, null)], T0 + 5_000, true);
    expect(until).toBe(T0 + 5_000);
  });
  it("keeps many long waits visible side by side", () => {
    const many = Array.from({ length: 20 }, (_, k) => [span("run", k * 1e6, k * 1e6 + 10), span("backoff", k * 1e6 + 10, (k + 1) * 1e6)]).flat();
    const { folds } = scale(many, T0, true);
    expect(folds).toHaveLength(20);
    for (const fold of folds) expect(fold.end - fold.start).toBeGreaterThan(0.01);
  });
  it("bears an empty timeline and one without length", () => {
    expect(scale([], T0, true).place(T0)).toBe(0);
    expect(scale([span("queue", 0, 0)], T0, true).hidden).toBe(0);
  });
});

describe("look and tree", () => {
  it("tells a failed attempt, a running one and who is waited for apart", () => {
    expect(look(span("run", 0, 1, { status: "failed" }))).toBe("failed");
    expect(look(span("run", 0, null, { status: "running" }))).toBe("running");
    expect(look(span("question", 0, 1))).toBe("human");
    expect(look(span("queue", 0, 1))).toBe("queued");
    expect(look(span("lease", 0, 1))).toBe("waiting");
  });
  it("says what a stretch is, and what it was", () => {
    expect(did(span("run", 0, null, { status: "running" }))).toBe("works");
    expect(did(span("run", 0, 1, { status: "failed" }))).toBe("worked, failed");
    expect(did(span("person", 0, 1))).toBe("waited for a person");
  });
  it("has each task once, with its last state and the whole time", () => {
    expect(tree([span("queue", 0, 10), span("run", 10, 40), span("run", 40, 50, { task: "t-2", depth: 1 })], T0)).toMatchObject([{ task: "t-1", status: "done", ms: 40 }, { task: "t-2", depth: 1, ms: 10 }]);
  });
});
