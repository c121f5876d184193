import { expect, test } from "vitest";
import { roundUp } from "../../parts/bars.tsx";
import { perMinute, rates } from "./rates.ts";

test("counts become rates per minute, and their mean is over the whole time", () => {
  const { alone, person, mean } = rates([{ alone: 90, person: 3, failed: 0 }, { alone: 0, person: 0, failed: 6 }], 90_000);
  expect(alone).toEqual([60, 0]);
  expect(person).toEqual([2, 0]);
  expect(mean).toEqual({ alone: 30, person: 1, failed: 2 });
  expect(rates([], 90_000).mean.alone).toBe(0);
});

test("rates keep two digits", () => {
  expect([0, 0.001, 0.412, 4.12, 41.2, 1234.5].map(perMinute)).toEqual(["0", "<0.01", "0.41", "4.1", "41", "1,235"]);
});

test("an axis ends at a round number", () => {
  expect([0, 0.3, 1, 41, 120, 501].map(roundUp)).toEqual([1, 0.5, 1, 50, 200, 1000]);
});
