import { expect, it } from "vitest";
import { changed, type TaskRow } from "./rows.ts";

const row = (id: string): TaskRow => ({
  id, skill: "a.b", department: "d", state: "submitted", stage: "ready", status: "queued", retrying: false, reason: null, agent: null, with: null, subject: null, plan: null, quality: null, cost: null,
  currency: null, amount: null, submitted_at: "2026-11-29T12:00:00Z", started_at: null, finished_at: null,
});
const change = (kind: string, task: string, more = {}) => ({ seq: 1, at: "2026-11-29T12:00:01Z", kind, about: task, task, ...more });

it("follows a row through its states", () => {
  const rows = new Map([["t-1", row("t-1")]]);
  const started = changed(rows, [change("run.started", "t-1", { state: "working", agent: "pay" })]).touched.get("t-1")!;
  expect(started).toMatchObject({ status: "running", agent: "pay", with: "pay", started_at: "2026-11-29T12:00:01Z" });
  const asked = changed(new Map([["t-1", started]]), [change("approval.requested", "t-1", { state: "input-required" })]).touched.get("t-1")!;
  expect(asked).toMatchObject({ status: "human", with: "person" });
  const done = changed(rows, [change("run.started", "t-1", { state: "working" }), change("task.completed", "t-1", { state: "completed" })]).touched.get("t-1")!;
  expect(done).toMatchObject({ status: "done", finished_at: "2026-11-29T12:00:01Z" });
});

it("counts new tasks and leaves the rows as they are", () => {
  const rows = new Map([["t-1", row("t-1")]]);
  const found = changed(rows, [change("task.submitted", "t-2"), change("task.submitted", "t-3"), change("run.started", "t-3", { state: "working" })]);
  expect(found.fresh).toBe(2);
  expect(found.touched.size).toBe(0);
  expect(rows.get("t-1")).toEqual(row("t-1"));
});
