import { describe, expect, it } from "vitest";
import { told } from "./facts.ts";

describe("what a fact says", () => {
  it("has words for kinds it knows", () => {
    expect(told({ kind: "task.routed", data: { agent: "pay", version: "2", skill: "refund.pay" } })).toEqual({ did: "chose an agent", detail: "pay 2 for refund.pay" });
    expect(told({ kind: "approval.requested", data: { amount: 14_850_000, currency: "EUR", reasons: ["over the limit", "new customer"] } }).detail).toBe("€14.85, over the limit; new customer");
  });
  it("leaves out what is not there", () => {
    expect(told({ kind: "task.submitted", data: { skill: "mail.send" } }).detail).toBe("mail.send");
    expect(told({ kind: "run.finished", data: { outcome: "done", next: "done" } }).detail).toBe("done");
  });
  it("says the name of a kind it does not know", () => {
    expect(told({ kind: "model.reserved", data: {} })).toEqual({ did: "model reserved", detail: "" });
  });
});
