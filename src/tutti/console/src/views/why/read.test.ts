import { describe, expect, it } from "vitest";
import { line, outcomes, own } from "./read.ts";

describe("what is read out of a decision", () => {
  it("leaves out of the sentence what stands in a list of its own", () => {
    expect(own({ sentence: "It completed. They agreed. All gain.", negotiation: ["They agreed.", "All gain."] })).toBe("It completed.");
    expect(own({ sentence: "It completed." })).toBe("It completed.");
  });
  it("writes values in one line and cuts long ones", () => {
    expect(line({ a: [1, "b"] })).toBe('{"a":[1,"b"]}');
    expect(line("x".repeat(500))).toHaveLength(161);
  });
  it("sets what came out beside what was expected, and nothing where nothing came out", () => {
    const out = { state: "completed", attempts: 2, ms: 12, cost: 0.1, quality: 0.9, source: "check", expected: { quality: 0.8, ms: 50, cost: 0 }, judgements: [] };
    expect(outcomes({ turned_out: out }).map((row) => [row.name, row.value, row.expected])).toEqual([["Quality", 0.9, 0.8], ["Time it worked", 12, 50], ["Cost", 0.1, 0], ["Attempts", 2, 1]]);
    expect(outcomes({ turned_out: { ...out, attempts: 0, quality: null } })).toEqual([]);
  });
});
