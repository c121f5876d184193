import { expect, it } from "vitest";
import { statusOf } from "./status.ts";

it("tells apart what waits for agents, for people and for nobody", () => {
  expect(statusOf("submitted", "ready")).toBe("queued");
  expect(statusOf("submitted", "backoff")).toBe("waiting");
  expect(statusOf("submitted", "queued")).toBe("waiting");
  expect(statusOf("input-required", "approval")).toBe("human");
  expect(statusOf("working", "running")).toBe("running");
  expect(statusOf("rejected", "ended")).toBe("failed");
  expect(statusOf("completed")).toBe("done");
});
