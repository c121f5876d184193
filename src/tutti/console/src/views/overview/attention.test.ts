import { expect, test } from "vitest";
import { wayOf } from "./attention.ts";

test("each kind leads to the page where it is dealt with", () => {
  expect(wayOf({ kind: "approval", id: "a-1", task: "t-1" })).toEqual({ status: "human", path: "/approvals/a-1", act: "Review" });
  expect(wayOf({ kind: "question", id: "t-1", task: "t-1" }).path).toBe("/tasks/t-1");
  expect(wayOf({ kind: "agent", id: "kyc verify/2", task: null })).toMatchObject({ status: "failed", path: "/agents/kyc%20verify%2F2" });
  expect(wayOf({ kind: "something new", id: "t-2", task: null }).path).toBe("/tasks/t-2");
});
