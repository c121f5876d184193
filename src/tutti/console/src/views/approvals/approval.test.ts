import { describe, expect, it } from "vitest";
import { asked, object, precedent } from "./approval.ts";

describe("an approval in words", () => {
  it("asks", () => {
    expect(asked("Lower the monthly price of account 0140 by 14.85 EUR.")).toBe("Lower the monthly price of account 0140 by 14.85 EUR?");
    expect(asked("Really?")).toBe("Really?");
  });
  it("names what a button does", () => {
    expect(object({ amount: 780, currency: "EUR", skill: "refund.pay" })).toBe("€780.00");
    expect(object({ amount: null, currency: null, skill: "mail.send" })).toBe("mail.send");
  });
  it("tells how others were answered, in counts where they are few", () => {
    const skill = "refund.pay";
    expect(precedent({ approved: 38, rejected: 1, changed: 1, of: 40, skill })).toBe("Of the last 40 like it, people approved 38 (95%); 1 rejected, 1 changed.");
    expect(precedent({ approved: 2, rejected: 0, changed: 0, of: 2, skill })).toBe("Of the last 2 like it, people approved 2 of 2.");
    expect(precedent({ approved: 0, rejected: 0, changed: 0, of: 0, skill })).toBe("Nobody has answered a refund.pay before.");
  });
});
