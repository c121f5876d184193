import { expect, test } from "vitest";
import { rangeOf, spanOf } from "../../words/range.ts";
import { around } from "./compare.ts";

const NOW = Date.parse("2026-11-29T11:59:59Z");

test("a chosen instant has as much before it as after it", () => {
  expect(around("2026-11-29T11:40:00Z", rangeOf("1h"), NOW)).toEqual({ from_at: "2026-11-29T11:20:00.000Z", split_at: "2026-11-29T11:40:00.000Z", until_at: "2026-11-29T12:00:00.000Z", chosen: true });
});

test("no instant, no such instant and one to come are the range", () => {
  for (const split of ["", "soon", "2026-11-29T12:30:00Z"]) expect(around(split, rangeOf("1h"), NOW)).toEqual({ ...spanOf(3_600_000, NOW), chosen: false });
});

test("a moment ago has a minute on each side", () => {
  expect(around("2026-11-29T11:59:55Z", rangeOf("1h"), NOW)).toMatchObject({ from_at: "2026-11-29T11:58:55.000Z", until_at: "2026-11-29T12:00:55.000Z", chosen: true });
});
