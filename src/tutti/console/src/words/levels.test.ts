import { expect, test } from "vitest";
import { amountOf, levelSentence } from "./levels.ts";

test("a level is said in a sentence, with the amount at which it ends", () => {
  expect(levelSentence("price.change", 2, null)).toBe("L2: a person says yes to every price.change first.");
  expect(levelSentence("price.change", 4, 500, "EUR")).toBe("L4: price.change goes alone up to €500.00; above that a person says yes first.");
  expect(levelSentence("price.change", 4, null)).toContain("whatever its amount");
  expect(levelSentence("price.advise", null, null)).toContain("advice");
});

test("an amount is a number from zero up, or nothing", () => {
  expect(amountOf("")).toBeNull();
  expect(amountOf(" 12,5 ")).toBe(12.5);
  expect(amountOf("-1")).toBeUndefined();
  expect(amountOf("much")).toBeUndefined();
});
