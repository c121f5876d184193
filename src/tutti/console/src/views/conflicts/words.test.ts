import { describe, expect, it } from "vitest";
import type { ConflictSeen, ConflictSide } from "../../api/schema.ts";
import { sentenceOf } from "./words.ts";

const side = (task: string, skill: string, effect: string): ConflictSide => ({ task, skill, effect, department: "revenue", state: null, stage: null, agent: null, amount: null, input: null, holds: false, holds_until: null, wins: null });
const conflict: ConflictSeen = {
  schema: "tutti.conflict/1", id: "c-1", resource: "price/0154", rule: "incompatible", state: "open", rung: null, winner: null, outcome: null, reason: null,
  found_at: "2026-11-29T21:20:37.858Z", resolved_at: null, sides: [side("t-1", "price.raise", "rise"), side("t-2", "price.change", "discount")],
};

describe("a conflict in a sentence", () => {
  const met = "price.raise (rise) and price.change (discount) meet over price/0154: their effects do not go together.";
  it("says that it is open", () => expect(sentenceOf(conflict)).toBe(`${met} It is not decided yet.`));
  it("says that a person is asked, and why", () => expect(sentenceOf({ ...conflict, state: "asked", reason: "no rule says" })).toBe(`${met} A person has to decide: no rule says.`));
  it("says who goes first, why and by what", () =>
    expect(sentenceOf({ ...conflict, state: "resolved", rung: "order", winner: "t-2", reason: "discount goes before rise" })).toBe(`${met} price.change goes first: discount goes before rise, decided by the policy's order.`));
  it("does not say the same twice", () => expect(sentenceOf({ ...conflict, state: "resolved", rung: "authority", winner: "t-1", reason: "a person" })).toBe(`${met} price.raise goes first: a person.`));
});
