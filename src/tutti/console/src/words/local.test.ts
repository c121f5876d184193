import { expect, test } from "vitest";
import { fromField, toField } from "./local.ts";

test("a field holds an instant to the minute and gives it back, in both zones", () => {
  for (const zone of ["utc", "local"] as const) {
    expect(fromField(toField("2026-03-29T01:30:42.123Z", zone), zone)).toBe("2026-03-29T01:30:00.000Z");
  }
  expect(toField("2026-11-29T00:05:00Z", "utc")).toBe("2026-11-29T00:05");
});

test("what is no instant is none", () => {
  for (const text of ["", "2026-11-29", "yesterday", "2026-11-29T25:00Z"]) expect(fromField(text, "utc")).toBeNull();
});
