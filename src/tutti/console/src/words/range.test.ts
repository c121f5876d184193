import { expect, test } from "vitest";
import { rangeOf, spanOf, stepOf } from "./range.ts";

test("a name that is none is the hour", () => {
  expect(rangeOf("6h").ms).toBe(6 * 3_600_000);
  expect(rangeOf("").name).toBe("1h");
  expect(rangeOf("constructor").name).toBe("1h");
});

test("a span ends now, splits a range before it, and begins as long before the split", () => {
  const span = spanOf(3_600_000, Date.parse("2026-11-29T12:00:09.999Z"));
  expect(span).toEqual({ from_at: "2026-11-29T10:00:00.000Z", split_at: "2026-11-29T11:00:00.000Z", until_at: "2026-11-29T12:00:00.000Z" });
});

test("readings within one step ask the same question, the next step asks another", () => {
  const now = Date.parse("2026-11-29T12:00:00Z"), ms = rangeOf("7d").ms;
  expect(spanOf(ms, now + stepOf(ms) - 1)).toEqual(spanOf(ms, now - (now % stepOf(ms)) + 0));
  expect(spanOf(ms, now + stepOf(ms))).not.toEqual(spanOf(ms, now));
});
