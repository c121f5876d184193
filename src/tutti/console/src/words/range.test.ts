import { expect, test } from "vitest";
import { RANGES, rangeOf, spanOf, stepOf } from "./range.ts";

test("a name that is none is the hour", () => {
  expect(rangeOf("6h").ms).toBe(6 * 3_600_000);
  expect(rangeOf("").name).toBe("1h");
  expect(rangeOf("constructor").name).toBe("1h");
});

test("a span ends with the step that is now, splits a range before it, and begins as long before the split", () => {
  const span = spanOf(3_600_000, Date.parse("2026-11-29T11:59:59.999Z"));
  expect(span).toEqual({ from_at: "2026-11-29T10:00:00.000Z", split_at: "2026-11-29T11:00:00.000Z", until_at: "2026-11-29T12:00:00.000Z" });
});

test("readings within one step ask the same question, the next step asks another", () => {
  const ms = rangeOf("7d").ms, begun = 1_000_000 * stepOf(ms);
  expect(spanOf(ms, begun + stepOf(ms) - 1)).toEqual(spanOf(ms, begun));
  expect(spanOf(ms, begun + stepOf(ms))).not.toEqual(spanOf(ms, begun));
});

test("what has just happened is in the answer, in every range", () => {
  const now = Date.parse("2026-11-29T12:34:56.789Z");
  for (const { ms } of RANGES) expect(Date.parse(spanOf(ms, now).until_at)).toBeGreaterThan(now);
});
