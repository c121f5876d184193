import { describe, expect, it } from "vitest";
import type { Agent } from "../../api/schema.ts";
import { object, stops } from "./switches.tsx";

const agent = (name: string, skill: string, running = 0) => ({ name, skill, running, nature: "action" }) as Agent;

describe("what a kill switch stops", () => {
  const agents = [agent("pay", "refund.pay", 2), agent("pay", "refund.void", 2), agent("till", "refund.pay", 1)];
  it("of an agent: all its skills, its calls counted once", () => {
    expect(stops("agent", "pay", agents)).toBe("pay starts nothing any more (refund.pay, refund.void). Others that offer the same go on. 2 calls that run now are cut off.");
  });
  it("of an action: everybody who offers it", () => {
    expect(stops("action", "refund.pay", agents)).toContain("(pay, till). Tasks for it are parked for a person. What of it runs now is cut off.");
  });
  it("of the workspace: all, each agent once", () => {
    expect(stops("workspace", "", agents)).toContain("2 agents and all their tasks stand still");
    expect(object({ scope: "workspace", name: "" })).toBe("everything");
  });
});
