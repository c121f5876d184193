import { expect, test } from "vitest";
import type { TrafficNode } from "../../api/watching.ts";
import { arrivals, asPlayed, edgeKey, graphOf, nodeStatus, nodeWords, sourceOf, widthOf } from "./graph.ts";
import { CARD, layOut, neighbour } from "./layout.ts";

const agent = (name: string, department = "support", more: Partial<TrafficNode> = {}): TrafficNode => ({
  name, kind: "agent", department, version: "1", state: "live", health: "ok", open: 1, running: 0, concurrency: 4, waiting: 0, needs_person: 0, p95_ms: 10, tasks: 2, ...more,
});
const edge = (from: string, to: string, count = 1) => ({ from, to, count, p50_ms: 1, p95_ms: 2 });
const TRAFFIC = {
  nodes: [agent("a"), agent("b"), agent("c", "revenue"), { ...agent("person"), kind: "person", department: null }],
  edges: [edge("a", "b", 5), edge("a", "c", 2), edge("b", "c", 3), edge("a", "person")],
  declared: [{ from: "b", to: "c", signal: "x.y" }, { from: "a", to: "b", signal: "x.z" }],
};

test("few nodes are drawn one by one, as they were recorded", () => {
  const graph = graphOf(TRAFFIC);
  expect(graph.grouped).toBe(false);
  expect(graph.nodes).toHaveLength(4);
  expect(graph.edges).toEqual(TRAFFIC.edges);
});

test("too many are drawn by department: counts add up, what stays inside is no edge, quantiles are not made up", () => {
  const graph = graphOf(TRAFFIC, "", 3);
  expect(graph.nodes.map((node) => node.name).sort()).toEqual(["department revenue", "department support", "person"]);
  expect(graph.nodes.find((node) => node.name === "department support")).toMatchObject({ open: 2, concurrency: 8, tasks: 4, kind: "department" });
  expect(graph.edges).toEqual([{ from: "department support", to: "department revenue", count: 5, p50_ms: null, p95_ms: null }, edge("department support", "person")]);
  expect(graph.declared).toEqual([{ from: "department support", to: "department revenue", signals: ["x.y"] }]);
  expect(graph.of("a")).toBe("department support");
});

test("an opened department shows its agents among the others' departments", () => {
  const graph = graphOf(TRAFFIC, "support", 3);
  expect(graph.nodes.map((node) => node.name).sort()).toEqual(["a", "b", "department revenue", "person"]);
  expect(graph.edges.find((each) => each.from === "a" && each.to === "b")?.count).toBe(5);
});

test("no count is lost when departments are put together, apart from what stays inside", () => {
  const inside = TRAFFIC.edges[0]!.count, all = TRAFFIC.edges.reduce((sum, each) => sum + each.count, 0);
  expect(graphOf(TRAFFIC, "", 3).edges.reduce((sum, each) => sum + each.count, 0)).toBe(all - inside);
});

test("a node shows the gravest it is at", () => {
  expect(nodeStatus(agent("a", "x", { health: "open", running: 3, needs_person: 1 }))).toBe("failed");
  expect(nodeStatus(agent("a", "x", { running: 3, needs_person: 1 }))).toBe("human");
  expect(nodeStatus(agent("a", "x", { running: 3, waiting: 1 }))).toBe("running");
  expect(nodeStatus(agent("a", "x", { waiting: 1 }))).toBe("waiting");
  expect(nodeWords(agent("a"))).toBe("idle");
  expect(nodeWords(agent("a", "x", { running: 3 }))).toBe("running 3 of 4");
});

test("people are one node, whoever they are", () => {
  expect([sourceOf("person/ana"), sourceOf(null), sourceOf("triage"), sourceOf("signal")]).toEqual(["person", "person", "triage", "signal"]);
});

test("lines grow with what goes along them and stay within bounds", () => {
  expect(widthOf(0, 100)).toBe(1);
  expect(widthOf(100, 100)).toBe(6);
  expect(widthOf(10, 100)).toBeGreaterThan(widthOf(3, 100));
});

const in1 = (names: readonly string[]) => names.map((name) => ({ name, group: "" }));

test("causes stand left of effects, no two cards overlap, and equal graphs are laid out equally", () => {
  const names = ["d", "b", "a", "c", "alone", "alone too"], edges = [{ from: "a", to: "b" }, { from: "b", to: "c" }, { from: "a", to: "d" }, { from: "c", to: "a" }, { from: "b", to: "b" }];
  const laid = layOut(in1(names), edges), again = layOut(in1(names).reverse(), [...edges].reverse());
  expect([...laid.places].sort()).toEqual([...again.places].sort());
  expect([...laid.paths].sort()).toEqual([...again.paths].sort());
  expect(laid.places.get("b")!.x).toBeLessThan(laid.places.get("c")!.x);
  const all = [...laid.places.values()];
  for (const [place, a] of all.entries()) {
    for (const b of all.slice(place + 1)) expect(Math.abs(a.x - b.x) >= CARD.width || Math.abs(a.y - b.y) >= CARD.height).toBe(true);
    expect(a.x + CARD.width / 2).toBeLessThanOrEqual(laid.width);
    expect(a.y + CARD.height / 2).toBeLessThanOrEqual(laid.height);
  }
  expect(laid.paths.size).toBe(edges.length);
  expect(laid.paths.get("c\na")).toMatch(/^M/);
});

test("arrow keys go to the nearest card that way", () => {
  const places = new Map([["a", { x: 0, y: 0 }], ["b", { x: 200, y: 10 }], ["c", { x: 200, y: 300 }], ["d", { x: 0, y: 80 }]]);
  expect(neighbour(places, "a", 1, 0)).toBe("b");
  expect(neighbour(places, "a", 0, 1)).toBe("d");
  expect(neighbour(places, "a", -1, 0)).toBeNull();
});

test("work that goes both ways has two lines", () => {
  const laid = layOut(in1(["a", "b"]), [{ from: "a", to: "b" }, { from: "b", to: "a" }]);
  const numbers = (path: string) => [...path.matchAll(/-?[\d.]+/g)].map(Number);
  const [there, back] = [numbers(laid.paths.get("a\nb")!), numbers(laid.paths.get("b\na")!)];
  expect(Math.abs(there[1]! - back[1]!)).toBe(12);
});

test("no line leaves the map, however far around it has to go", () => {
  const edges = [..."bcdefg"].flatMap((to, place, all) => [{ from: "a", to }, ...(place ? [{ from: all[place - 1]!, to }] : [])]);
  const laid = layOut(in1([..."abcdefg"]), edges);
  for (const path of laid.paths.values()) for (const [, , y] of path.matchAll(/([-\d.]+),([-\d.]+)/g)) {
    expect(Number(y)).toBeGreaterThanOrEqual(0);
    expect(Number(y)).toBeLessThanOrEqual(laid.height);
  }
});

test("a tangle is laid out by department: no overlap, each with a place, blocks named", () => {
  const nodes = Array.from({ length: 300 }, (_, n) => ({ name: `agent-${n}`, group: `d${n % 5}` }));
  const edges = Array.from({ length: 600 }, (_, n) => ({ from: nodes[(n * 7) % 300]!.name, to: nodes[(n * 13 + 5) % 300]!.name }));
  const laid = layOut(nodes, edges), all = [...laid.places.values()];
  expect(all).toHaveLength(300);
  expect(laid.groups.map((group) => group.name)).toEqual(["d0", "d1", "d2", "d3", "d4"]);
  for (const [place, a] of all.entries()) for (const b of all.slice(place + 1)) expect(Math.abs(a.x - b.x) >= CARD.width || Math.abs(a.y - b.y) >= CARD.height).toBe(true);
  expect(laid.width / laid.height).toBeGreaterThan(0.5);
  expect(laid.width / laid.height).toBeLessThan(3);
});

test("what came to a node is what its lines brought", () => {
  expect(arrivals(new Map([[edgeKey("a", "c"), 2], [edgeKey("b", "c"), 3], [edgeKey("c", "a"), 1]]))).toEqual(new Map([["c", 5], ["a", 1]]));
});

test("a node that is played says nothing of now", () => {
  const [node] = asPlayed([agent("a", "x", { running: 3, needs_person: 2, health: "open" })]);
  expect([node!.open, node!.running, node!.needs_person, nodeStatus(node!)]).toEqual([null, null, null, "queued"]);
  expect(node!.tasks).toBe(2);
});
