import { describe, expect, it } from "vitest";
import { became, breaks, line, offers, type Opening, proposals, type Said, saying, type Settled, steps, terms } from "./told.ts";

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

describe("offers of free bargaining", () => {
  const turn = (round: number, party: string, more: Partial<Said>) => ({ round, at: `2026-11-29T10:00:0${round}Z`, cost: 0, said: [said(party, { ask: "offer", ...more })] });
  const cheap = { price: "-15 %", term: "yearly" };
  const made = offers([
    turn(1, "care", { outcome: null, counter: cheap, answer: "counter", refused: ["never cheap"] }),
    turn(2, "margin", { outcome: null, counter: longer, answer: "counter", refused: ["long"] }),
    turn(3, "care", { outcome: null, counter: yearly, answer: "counter" }),
    turn(4, "legal", { outcome: yearly, answer: "accept" }),
    turn(5, "margin", { outcome: yearly, answer: "accept" }),
  ]);
  const of = { parties: ["care", "margin", "legal"], how: "settled", opening: { policy: [{ rule: "never cheap" }], approval: [{ rule: "long" }] } as unknown as Opening };

  it("are those that somebody made, in order, with who accepted and which rules refused them", () => {
    expect(made.map((each) => [each.turn, each.party, terms(each.outcome), each.refused, each.accepted])).toEqual([
      [1, "care", "price -15 %, term yearly", ["never cheap"], []],
      [2, "margin", "price -10 %, term two years", ["long"], []],
      [3, "care", "price -5 %, term yearly", [], ["legal", "margin"]],
    ]);
  });
  it("are told apart: forbidden, a person's to allow, accepted", () => {
    expect(made.map((each) => became(each, of))).toEqual([
      ["failed", "refused by policy: never cheap"],
      ["human", "refused without a person's word: long"],
      ["done", "accepted by all"],
    ]);
    expect(became({ ...made[0]!, refused: ["never cheap", "long"] }, of)).toEqual(["failed", "refused by policy: never cheap; and without a person's word: long"]);
    expect(became({ ...made[2]!, accepted: ["legal"] }, of)).toEqual([null, "accepted by legal only"]);
    expect(became({ ...made[2]!, accepted: ["legal"] }, { ...of, how: null })).toEqual(["running", "on the table, accepted by legal"]);
    expect(became({ ...made[2]!, accepted: [], stands: false }, { ...of, how: null })).toEqual([null, "not accepted"]);
  });
  it("are off the table when somebody passes, is silent or makes one that is refused", () => {
    const first = turn(1, "care", { outcome: null, counter: yearly, answer: "counter" });
    const nexts = [{ answer: "reject" }, { missing: "late" }, { counter: cheap, refused: ["never cheap"] }, { counter: longer }];
    expect(nexts.map((next) => offers([first, turn(2, "margin", { outcome: yearly, ...next })])[0]!.stands)).toEqual([false, false, false, false]);
    expect(offers([first])[0]!.stands).toBe(true);
  });
  it("are no offers where somebody accepts or passes", () => expect(offers([turn(1, "care", { outcome: null }), turn(2, "margin", { outcome: yearly, answer: "accept" })])).toEqual([]));
  it("are told in the transcript as what they are", () => {
    expect(line(said("care", { ask: "offer", outcome: yearly, counter: longer, answer: "counter" }))).toBe("offers price -10 %, term two years");
    expect(line(said("care", { ask: "offer", outcome: yearly, answer: "accept" }))).toBe("accepts price -5 %, term yearly");
    expect([line(said("care", { ask: "offer", outcome: yearly })), line(said("care", { ask: "offer", outcome: null, answer: "reject" }))]).toEqual(["passes", "passes"]);
  });
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
