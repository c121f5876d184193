import { describe, expect, it } from "vitest";
import { addsUp, markdown, overlapping, type Parts } from "./record.ts";

const PARTS: Parts = {
  winner: "a 1", runner_up: "b 1",
  rows: [
    { part: "quality", weight: 0.7, formula: "", formula_runner_up: "", winner: 0.61, runner_up: 0.57, difference: 0.04 },
    { part: "load", weight: 0.1, formula: "", formula_runner_up: "", winner: -0.05, runner_up: -0.02, difference: -0.03 },
  ],
  total: { winner: 0.56, runner_up: 0.55, difference: 0.01 },
};

describe("the parts of a score", () => {
  it("add up", () => expect(addsUp(PARTS)).toBe(true));
  it("are said not to where they do not, in any column", () => {
    expect(addsUp({ ...PARTS, total: { ...PARTS.total, winner: 0.57 } })).toBe(false);
    expect(addsUp({ ...PARTS, total: { ...PARTS.total, runner_up: 0.5 } })).toBe(false);
    expect(addsUp({ ...PARTS, total: { ...PARTS.total, difference: 0.02 } })).toBe(false);
  });
  it("of a lone candidate are checked alone", () => {
    expect(addsUp({ ...PARTS, runner_up: null, rows: PARTS.rows.map((row) => ({ ...row, runner_up: null, difference: null })), total: { winner: 0.56, runner_up: null, difference: null } })).toBe(true);
  });
});

describe("who cannot be told apart", () => {
  it("are those whose interval overlaps with the chosen one's", () => {
    const rows = [{ chosen: true, low: 0.8, high: 0.9 }, { chosen: false, low: 0.85, high: 0.95 }, { chosen: false, low: 0.4, high: 0.79 }];
    expect(overlapping(rows)).toEqual([rows[1]]);
    expect(overlapping(rows.slice(1))).toEqual([]);
  });
});

describe("a decision as Markdown", () => {
  const why: Parameters<typeof markdown>[0] = {
    task: "t-1", skill: "x", sentence: "It | won.", candidates: [{ rank: 1, agent: "a", version: "1", state: "live", level: null, quality: 0.87, drawn: 0.87, low: 0.8, high: 0.93, judged: 77, latency_ms: 78, cost: 0, load: 0, score: 0.56, parts: { quality: 0.61, latency: 0, cost: 0, load: -0.05 }, propensity: 1, chosen: true, tie: false }],
    parts: PARTS, ruled_out: [{ agent: "<img src=x>", rule: "[a](http://b)" }], would_change: [{ input: "quality", of: "a 1", was: 0.87, needed: 0.8, change: "its quality below 0.800", to: "b 1", flips: true }, { input: "load", of: "a 1", was: 0, needed: null, change: "its load as bad as it can be", to: "a 1", flips: false }],
    decided: { decided_at: "2026-11-29T14:00:00Z", took_ms: 1, decided_by: "score", policy: null, margin: 0.01, seq: 12, leaf: "ab", answered_at: null, plan: null, trace: null },
  };
  const text = markdown(why, "EUR", "https://here");
  it("holds the numbers", () => {
    expect(text).toContain("| 1 chosen | a 1 | 0.87 (0.80–0.93) | 77 |");
    expect(text).toContain("→ same choice");
    expect(text).toContain("audit #12 (ab)");
  });
  it("leaves what others wrote as text", () => {
    expect(text).toContain("\\<img src=x\\>");
    expect(text).toContain("\\[a\\](http://b)");
    expect(text).toContain("It \\| won.");
  });
});
