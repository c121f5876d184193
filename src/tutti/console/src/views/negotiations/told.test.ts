import { describe, expect, it } from "vitest";
import { breaks, line, proposals, type Said, saying, type Settled, steps, terms } from "./told.ts";

const yearly = { price: "-5 %", term: "yearly" }, longer = { price: "-10 %", term: "two years" };
const said = (party: string, more: Partial<Said>): Said => ({ party, number: 1, ask: "confirm", missing: "", answer: null, ...more });

describe("proposals", () => {
  it("are one where the same terms are put to several in a round", () => {
    const found = proposals([
      { round: 1, at: "2026-11-29T10:00:00Z", cost: 0, said: [said("care", { ask: "table", answer: {} })] },
      { round: 2, at: "2026-11-29T10:00:01Z", cost: 0, said: [said("care", { outcome: yearly, answer: "accept", gains: { care: 1, margin: -2 } }), said("margin", { outcome: { ...yearly }, answer: "reject", gains: { care: 1, margin: -2 } })] },
      { round: 3, at: "2026-11-29T10:00:02Z", cost: 0, said: [said("margin", { outcome: longer, missing: "late" })] },
    ]);
    expect(found).toEqual([
      { round: 2, at: "2026-11-29T10:00:01Z", outcome: yearly, gains: { care: 1, margin: -2 }, answers: { care: "accept", margin: "reject" } },
      { round: 3, at: "2026-11-29T10:00:02Z", outcome: longer, gains: {}, answers: { margin: "no answer" } },
    ]);
  });
});

describe("steps", () => {
  const put = [{ round: 2, at: "2026-11-29T10:00:01Z", outcome: yearly, gains: { care: 1 }, answers: { care: "accept" } }];
  const settled: Settled = { how: "settled", outcome: yearly, why: "agreed", gains: { care: 1 }, better: null, messages: 1, rounds: 2, cost: 0 };
  it("do not show the end twice", () => expect(steps(put, settled).map((step) => step.name)).toEqual(["round 2"]));
  it("end elsewhere, and say what could be approved", () => {
    const found = steps(put, { ...settled, outcome: longer, better: { outcome: yearly, gains: { care: 2 }, needs: ["cap"] } });
    expect(found.map(({ name, better }) => [name, better])).toEqual([["round 2", false], ["end", false], ["if approved", true]]);
  });
});

describe("a message in a line", () => {
  it("tells a ranking by its ends", () => expect(line(said("care", { ask: "rank", lists: [[yearly, longer, null]], answer: [[1, 0, 2]] }))).toBe("ranked 3 outcomes: first price -10 %, term two years; last no agreement"));
  it("tells scores by the highest", () => expect(line(said("care", { ask: "score", outcomes: [yearly, longer], answer: [3, 9] }))).toBe("scored 2 outcomes: highest price -10 %, term two years"));
  it("tells a screen by how many it would accept", () => expect(line(said("care", { ask: "screen", outcomes: [yearly, longer], answer: [true, false] }))).toBe("would accept 1 of 2 outcomes"));
  it("tells answers with a counter-offer", () => expect(line(said("care", { ask: "respond", outcome: yearly, counter: longer, answer: "counter" }))).toBe("counters price -5 %, term yearly, and would rather have price -10 %, term two years"));
  it("tells silence", () => expect(line(said("care", { missing: "timed out" }))).toBe("was asked (confirm), no answer: timed out"));
});

describe("rules", () => {
  it("that forbid values in combination are broken by all of them together", () => {
    const rule = { rule: "cap", forbid: { price: ["-10 %", "-15 %"], term: "two years" } };
    expect([breaks(rule, longer), breaks(rule, yearly), breaks(rule, { price: "-10 %", term: "yearly" })]).toEqual([true, false, false]);
    expect(saying(rule)).toBe("not price -10 % or -15 % with term two years");
  });
  it("with costs are broken by a sum over the limit", () => {
    const rule = { rule: "sum", cost: { price: { "-10 %": 10 }, term: { "two years": 2 } }, limit: 11 };
    expect([breaks(rule, longer), breaks(rule, yearly)]).toEqual([true, false]);
  });
  it("in CEL are for the server", () => expect(breaks({ rule: "x", when: "price > 3" }, yearly)).toBeNull());
  it("say terms", () => expect(terms(yearly)).toBe("price -5 %, term yearly"));
});
