import { describe, expect, it } from "vitest";
import { apart, axis, ranks, slots } from "./standing.ts";

describe("ranks", () => {
  it("are shared by agents whose intervals overlap, and say so", () => {
    expect(ranks([{ low: 0.9, high: 0.95 }, { low: 0.86, high: 0.91 }, { low: 0.7, high: 0.8 }])).toEqual([{ rank: 1, tie: true }, { rank: 1, tie: true }, { rank: 3, tie: false }]);
  });
  it("are plain where all are told apart", () => {
    expect(ranks([{ low: 0.9, high: 1 }, { low: 0.5, high: 0.6 }]).map((each) => each.rank)).toEqual([1, 2]);
  });
});

describe("a trend", () => {
  it("has gaps where nothing was judged, not zeros", () => {
    const until = Date.parse("2026-11-29T20:00:00Z"), hour = 3_600_000;
    const found = slots([{ at: "2026-11-29T00:00:00Z", quality: 0.8 }, { at: "2026-11-29T19:00:00Z", quality: 0.9 }], until, 20 * hour);
    expect(found[0]).toBe(0.8);
    expect(found[19]).toBe(0.9);
    expect(found.filter((each) => each === null)).toHaveLength(18);
  });
});

describe("an axis", () => {
  it("goes round numbers around the values", () => {
    const { from, to, ticks } = axis(0.72, 0.93);
    expect(from).toBeLessThanOrEqual(0.72);
    expect(to).toBeGreaterThanOrEqual(0.93);
    expect(ticks.every((tick) => Number.isFinite(tick))).toBe(true);
    expect(ticks).toContain(0.8);
  });
  it("bears one value and zero", () => {
    expect(axis(0, 0).to).toBeGreaterThan(0);
    expect(axis(5, 5).ticks.length).toBeGreaterThan(1);
  });
});

describe("labels", () => {
  it("are moved apart and keep their order", () => {
    const found = apart([10, 11, 40, 12], 14);
    expect(found).toEqual([10, 24, 52, 38]);
  });
});
