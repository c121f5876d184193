import { describe, expect, it } from "vitest";
import { differences, fieldsOf, inputOf } from "./parameters.ts";

describe("parameters as fields", () => {
  const input = { account: "0140", amount: 14.85, urgent: false, lines: [{ sku: 1 }], note: null };
  it("come back as they went in", () => {
    expect(inputOf(fieldsOf(input))).toEqual(input);
    expect(inputOf(fieldsOf("just text"))).toBe("just text");
    expect(inputOf(fieldsOf([1, 2]))).toEqual([1, 2]);
  });
  it("keep their kind: digits typed into a text stay text", () => {
    const fields = fieldsOf(input).map((field) => (field.name === "account" ? { ...field, text: "0150" } : field.name === "amount" ? { ...field, text: "12,5" } : field));
    expect(inputOf(fields)).toEqual({ ...input, account: "0150", amount: 12.5 });
    expect(differences(fieldsOf(input), fields)).toEqual([{ name: "account", was: "0140", is: "0150" }, { name: "amount", was: "14.85", is: "12,5" }]);
  });
  it("say what is wrong", () => {
    expect(() => inputOf([{ name: "amount", kind: "number", text: "a lot" }])).toThrow("amount must be a number.");
    expect(() => inputOf([{ name: "amount", kind: "number", text: "" }])).toThrow("amount must be a number.");
    expect(() => inputOf([{ name: "lines", kind: "JSON", text: "[" }])).toThrow("lines is no JSON.");
  });
});
