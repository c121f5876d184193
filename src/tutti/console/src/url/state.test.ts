import { expect, it } from "vitest";
import { without } from "./state.ts";

it("leaves out what is empty and writes equal views equally", () => {
  const one = without(new URLSearchParams("status=human&q=x"), { agent: "pay" });
  const other = without(new URLSearchParams("q=x"), { agent: "pay", status: "human" });
  expect(one.toString()).toBe("agent=pay&q=x&status=human");
  expect(other.toString()).toBe(one.toString());
  expect(without(one, { q: "", status: null, agent: undefined }).toString()).toBe("");
});
