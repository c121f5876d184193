import { expect, test } from "vitest";
import type { Kpi } from "../api/watching.ts";
import { kpiCases, kpiHeadline, kpiInterval, kpiTarget, kpiValue, kpiVerdict, targetWords } from "./kpis.ts";

const side = { value: 0.412, low: 0.4, high: 0.42, n: 40, of: 50, p50: null };
const make = (changes: Partial<Kpi>): Kpi => ({ name: "quality", unit: "share", ...side, before: side, difference: null, target: null, better: "higher", series: [], ...changes });

test("a value is written in its unit", () => {
  expect(kpiValue(make({ name: "latency", unit: "ms" }), 412, null)).toBe("412 ms");
  expect(kpiValue(make({}), 0.912, null)).toBe("0.91");
  expect(kpiValue(make({ name: "autonomy" }), 0.874, null)).toBe("87.4%");
  expect(kpiValue(make({ name: "cost", unit: "money" }), 0.041, "EUR")).toBe("€0.041");
  expect(kpiValue(make({}), null, null)).toBe("–");
});

test("better and worse are said only where the interval leaves zero out", () => {
  const latency = { name: "latency", unit: "ms", better: "lower" };
  expect(kpiVerdict(make({ ...latency, difference: { value: -38, low: -60, high: -12 } }), null)).toEqual({ tone: "pro", text: "▼ 38 ms better", interval: "95% −60 ms to −12 ms" });
  expect(kpiVerdict(make({ ...latency, difference: { value: 38, low: 12, high: 60 } }), null)).toMatchObject({ tone: "con", text: "▲ 38 ms worse" });
  expect(kpiVerdict(make({ ...latency, difference: { value: -38, low: -90, high: 14 } }), null)).toMatchObject({ tone: "sub", text: "no clear change (−38 ms)" });
  expect(kpiVerdict(make({ name: "autonomy", difference: { value: 0.011, low: 0.002, high: 0.02 } }), null)).toMatchObject({ tone: "pro", text: "▲ 1.1 pts better" });
});

test("nothing has no sign", () => {
  expect(kpiVerdict(make({ name: "cost", unit: "money", difference: { value: 0, low: 0, high: 0 } }), "EUR")).toEqual({ tone: "sub", text: "no clear change (€0.00)", interval: "95% €0.00 to €0.00" });
});

test("without a difference it says why there is none", () => {
  expect(kpiVerdict(make({ before: { ...side, n: 0 } }), null).text).toBe("nothing before to compare with");
  expect(kpiVerdict(make({ n: 0 }), null).text).toBe("nothing yet");
  expect(kpiVerdict(make({ n: 1 }), null).text).toBe("too few to compare");
});

test("counts stand beside shares, and of few a share is a count", () => {
  expect(kpiCases(make({}), { n: 1204, of: 1310 })).toBe("1,204 judged of 1,310");
  expect(kpiCases(make({ name: "autonomy" }), { n: 2, of: 3 })).toBe("2 of 3 without a person");
  expect(kpiHeadline(make({ name: "autonomy", n: 2, of: 3, value: 0.667 }), null)).toBe("2 of 3");
  expect(kpiHeadline(make({ name: "autonomy", n: 40, of: 50, value: 0.8 }), null)).toBe("80.0%");
});

test("a target says its side", () => {
  expect(kpiTarget(make({ name: "latency", unit: "ms", better: "lower", target: 500 }), null)).toBe("target ≤ 500 ms");
  expect(kpiTarget(make({ target: 0.9 }), null)).toBe("target ≥ 0.90");
  expect(kpiTarget(make({}), null)).toBe("");
});

test("an interval says its unit once where both ends have the same", () => {
  const latency = make({ name: "latency", unit: "ms" });
  expect(kpiInterval(latency, 191, 228, null)).toBe("95% 191–228 ms");
  expect(kpiInterval(latency, 991, 1228, null)).toBe("95% 991 ms–1.23 s");
  expect(kpiInterval(make({ name: "autonomy" }), 0.977, 1, null)).toBe("95% 97.7–100.0%");
  expect(kpiInterval(make({}), 0.9, 0.93, null)).toBe("95% 0.90–0.93");
  expect(kpiInterval(make({}), null, null, null)).toBe("");
});

test("a goal's target is in its KPI's unit, and as it was said for a KPI of the company's own", () => {
  expect(targetWords("latency", "500.0", null)).toBe("500 ms");
  expect(targetWords("autonomy", "0.8", null)).toBe("80.0%");
  expect(targetWords("churn", "-0.18", null)).toBe("-0.18");
  expect(targetWords("latency", "", null)).toBe("");
});
