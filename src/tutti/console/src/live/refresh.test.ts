import { expect, it } from "vitest";
import { old } from "./refresh.ts";

it("marks what a change is about, and of tasks only that one", () => {
  const found = old([
    { seq: 1, at: "", kind: "approval.requested", about: "a-1", task: "t-1" },
    { seq: 2, at: "", kind: "run.started", about: "t-2", task: "t-2" },
    { seq: 3, at: "", kind: "kill.thrown", about: "workspace/" },
  ]);
  expect(found.paths).toEqual(new Set(["/approvals", "/attention", "/kill-switches", "/agents"]));
  expect(found.tasks).toEqual(new Set(["t-1", "t-2"]));
});
