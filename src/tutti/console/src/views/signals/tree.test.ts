import { expect, test } from "vitest";
import type { Lineage, SignalNode, TaskNode } from "../../api/watching.ts";
import { hears } from "./hears.ts";
import { rowsOf, sums } from "./tree.ts";

const task = (id: string, led_to: Lineage[] = [], more: Partial<TaskNode> = {}): TaskNode => ({ task: id, skill: "s", state: "completed", agent: null, nature: "advice", reason: null, amount: null, led_to, ...more });
const signal = (id: string, led_to: Lineage[] = []): SignalNode => ({ signal: id, type: "x", at: "2026-11-29T12:00:00Z", subject: null, stopped: null, undecided: [], led_to });
const TREE = signal("s-1", [task("t-1", [task("t-2", [], { nature: "action", state: "failed" }), signal("s-2", [task("t-3")])]), task("t-4")]);

test("rows stand in the order of cause and effect, with depth and how much lies below", () => {
  expect(rowsOf(TREE, new Set()).map(({ key, depth, below }) => [key, depth, below])).toEqual([
    ["s-1", 0, 5], ["s-1/t-1", 1, 3], ["s-1/t-1/t-2", 2, 0], ["s-1/t-1/s-2", 2, 1], ["s-1/t-1/s-2/t-3", 3, 0], ["s-1/t-4", 1, 0],
  ]);
});

test("what is shut hides what it led to, and says how much", () => {
  const rows = rowsOf(TREE, new Set(["s-1/t-1"]));
  expect(rows.map((row) => row.key)).toEqual(["s-1", "s-1/t-1", "s-1/t-4"]);
  expect(rows[1]).toMatchObject({ open: false, below: 3 });
});

test("sums count tasks by state, actions and further signals, the top left out", () => {
  expect(sums(TREE)).toEqual({ tasks: 4, signals: 1, states: { completed: 3, failed: 1 }, actions: 1 });
});

test("patterns", () => {
  expect(hears("ticket.opened", "ticket.opened")).toBe(true);
  expect(hears("ticket.*", "ticket.opened")).toBe(true);
  expect(hears("ticket.*", "tickets.opened")).toBe(false);
  expect(hears("*", "anything")).toBe(true);
  expect(hears("ticket", "ticket.opened")).toBe(false);
});
