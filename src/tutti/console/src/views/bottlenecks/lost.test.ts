import { expect, test } from "vitest";
import type { Bottleneck } from "../../api/watching.ts";
import { lostBy, tasksBehind } from "./lost.ts";

const make = (changes: Partial<Bottleneck>): Bottleneck => ({ from: "triage", to: "support", cause: "queue", tasks: 3, open: 0, lost_ms: 10, lost_per_hour_ms: 10, p50_ms: 3, p95_ms: 5, detail: "", ...changes });

test("causes are summed, most lost first", () => {
  expect(lostBy([make({}), make({ cause: "person", lost_ms: 25 }), make({ lost_ms: 20 })])).toEqual([{ cause: "queue", ms: 30 }, { cause: "person", ms: 25 }]);
});

test("what waits still is shown first, otherwise what was done since", () => {
  expect(tasksBehind(make({ open: 2 }), "2026-11-29T12:00:00Z")).toBe("/tasks?agent=support&status=waiting%2Cqueued");
  expect(tasksBehind(make({}), "2026-11-29T12:00:00Z")).toBe("/tasks?agent=support&since=2026-11-29T12%3A00%3A00Z");
  expect(tasksBehind(make({ cause: "person", to: "person", open: 1 }), "")).toBe("/tasks?agent=triage&status=human");
});
