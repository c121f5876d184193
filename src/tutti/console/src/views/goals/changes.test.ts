import { expect, test } from "vitest";
import { stepsOf } from "./changes.ts";

test("what was done in one go is one change, at its end", () => {
  expect(stepsOf([
    { at: "2026-11-29T12:00:05Z", kind: "autonomy.changed", about: "price.change" },
    { at: "2026-11-29T12:00:01.500Z", kind: "agent.registered", about: "b@2" },
    { at: "2026-11-29T12:00:00.100Z", kind: "policy.published", about: "policy" },
    { at: "2026-11-29T12:00:00Z", kind: "agent.registered", about: "a@1" },
    { at: "2026-11-29T11:00:00Z", kind: "agent.registered", about: "c@1" },
    { at: "2026-11-29T10:00:00Z", kind: "rollout.advanced", about: "c@1" },
  ])).toEqual([
    { at: "2026-11-29T12:00:05Z", words: "level of price.change set" },
    { at: "2026-11-29T12:00:01.500Z", words: "2 agents registered" },
    { at: "2026-11-29T12:00:00.100Z", words: "policy published" },
    { at: "2026-11-29T11:00:00Z", words: "c registered" },
    { at: "2026-11-29T10:00:00Z", words: "rollout.advanced c@1" },
  ]);
});
