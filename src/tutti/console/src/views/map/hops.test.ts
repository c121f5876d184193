import { expect, test } from "vitest";
import type { Change } from "../../live/stream.ts";
import { Follower, Rate, Tape } from "./hops.ts";

const change = (kind: string, task: string, more: Partial<Change> = {}): Change => ({ seq: 1, at: "", kind, about: task, task, ...more });

test("a hop is from who a task came from to who starts it, once", () => {
  const follower = new Follower();
  expect(follower.take([change("task.submitted", "t-1", { from: "triage" }), change("task.submitted", "t-2", { from: "person/ana" })])).toEqual([]);
  expect(follower.take([change("run.started", "t-1", { agent: "support" }), change("run.started", "t-2", { agent: "support" })])).toEqual([{ from: "triage", to: "support" }, { from: "person", to: "support" }]);
  expect(follower.take([change("run.started", "t-1", { agent: "support" })])).toEqual([]);
});

test("what waited for others is from the last of them, and what a person allowed is from people", () => {
  const follower = new Follower();
  follower.take([change("task.submitted", "t-1", { from: "signal" }), change("task.joined", "t-1", { from: "triage" }), change("task.submitted", "t-2", { from: "renewal" }), change("approval.answered", "t-2")]);
  expect(follower.take([change("run.started", "t-1", { agent: "support" }), change("run.started", "t-2", { agent: "desk" })])).toEqual([{ from: "triage", to: "support" }, { from: "person", to: "desk" }]);
});

test("what began before the page was opened is no hop, an approval is one to people", () => {
  expect(new Follower().take([change("run.started", "t-9", { agent: "support" })])).toEqual([]);
  expect(new Follower().take([change("approval.requested", "t-9", { agent: "desk" })])).toEqual([{ from: "desk", to: "person" }]);
});

test("a rate is over the last ten seconds", () => {
  const rate = new Rate();
  rate.add(30, 1_000);
  rate.add(10, 9_000);
  expect(rate.perSecond(10_000)).toBe(4);
  expect(rate.perSecond(12_000)).toBe(1);
  expect(rate.perSecond(60_000)).toBe(0);
});

const hop = (at: string, took_ms: number, from = "a", to = "b") => ({ at: `2026-11-29T12:${at}Z`, took_ms, from, to, task: at, skill: "s" });

test("a tape plays each hop once, at its end, in order", () => {
  const tape = new Tape([hop("00:10", 5_000), hop("00:00", 60_000), hop("00:20", 0)], "2026-11-29T12:00:00Z", "2026-11-29T12:02:00Z");
  const at = (text: string) => Date.parse(`2026-11-29T12:${text}Z`);
  expect(tape.between(at("00:00"), at("00:15")).map((each) => each.task)).toEqual(["00:10"]);
  const played: string[] = [];
  for (let now = tape.from; now < tape.until; now += 7_000) played.push(...tape.between(now, Math.min(now + 7_000, tape.until)).map((each) => each.task));
  expect(played).toEqual(["00:10", "00:20", "00:00"]);
  expect(tape.minute(at("01:00"), (a, b) => `${a}>${b}`)).toEqual(new Map([["a>b", 3]]));
  expect(tape.minute(at("01:18"), (a, b) => `${a}>${b}`)).toEqual(new Map([["a>b", 2]]));
  expect(tape.parts(2)).toEqual([2, 1]);
});
