import { expect, test } from "vitest";
import { fromForm, toForm } from "./form.ts";

test("a goal goes into a form and comes out as it was", () => {
  const goal = { name: "fast", kpi: "latency", target: "500", note: "", weights: { latency: 2, quality: 0.5 }, set_at: "2026-11-29T12:00:00Z", set_by: "person/ana" };
  expect(fromForm(toForm(goal))).toEqual({ body: { kpi: "latency", target: 500, note: "", weights: { latency: 2, quality: 0.5 } } });
});

test("nothing said is nothing sent, and a decimal comma is a point", () => {
  const empty = toForm(undefined);
  expect(fromForm({ ...empty, name: "x" })).toEqual({ body: { kpi: "", target: null, note: "", weights: {} } });
  expect(fromForm({ ...empty, name: "x", target: "0,9" })).toMatchObject({ body: { target: 0.9 } });
});

test("what is wrong is said in words", () => {
  const empty = toForm(undefined);
  expect(fromForm(empty)).toEqual({ wrong: "A goal needs a name." });
  expect(fromForm({ ...empty, name: "x", target: "soon" })).toMatchObject({ wrong: expect.stringContaining("no number") });
  expect(fromForm({ ...empty, name: "x", weights: { ...empty.weights, cost: "-1" } })).toMatchObject({ wrong: expect.stringContaining("cost") });
});
