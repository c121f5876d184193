import { describe, expect, it } from "vitest";
import { type Column, sorted } from "../../parts/grid.tsx";
import { asked, instant } from "./filters.ts";

const NOW = Date.parse("2026-11-29T14:00:00.000Z");

describe("spans in filters", () => {
  it("count back from now", () => {
    expect(instant("24h", NOW)).toBe("2026-11-28T14:00:00.000Z");
    expect(instant("30 min", NOW)).toBe("2026-11-29T13:30:00.000Z");
  });
  it("take instants as they are and nothing else", () => {
    expect(instant("2026-11-29T10:00:00Z", NOW)).toBe("2026-11-29T10:00:00.000Z");
    expect(instant("soon", NOW)).toBeNull();
  });
  it("leave the other filters alone", () => {
    expect(asked({ status: "human", q: "", skill: "a", agent: "", department: "", nature: "", since: "1h", until: "" }, NOW)).toMatchObject({ status: "human", skill: "a", since: "2026-11-29T13:00:00.000Z", until: "" });
  });
});

describe("sorted rows", () => {
  const columns: Column<{ n: number | null; s: string }>[] = [{ name: "N", width: "1fr", cell: () => "", by: (row) => row.n }, { name: "S", width: "1fr", cell: () => "", by: (row) => row.s }, { name: "X", width: "1fr", cell: () => "" }];
  const rows = [{ n: 2, s: "b" }, { n: null, s: "c" }, { n: 10, s: "a" }];
  it("go up and down, with nothing last either way", () => {
    expect(sorted(rows, columns, "N").map((row) => row.n)).toEqual([2, 10, null]);
    expect(sorted(rows, columns, "-N").map((row) => row.n)).toEqual([10, 2, null]);
    expect(sorted(rows, columns, "S").map((row) => row.s)).toEqual(["a", "b", "c"]);
  });
  it("stay as they come without a column that sorts", () => {
    expect(sorted(rows, columns, "")).toBe(rows);
    expect(sorted(rows, columns, "-X")).toBe(rows);
  });
});
