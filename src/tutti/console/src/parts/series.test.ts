import { expect, test, vi } from "vitest";

vi.mock("uplot", () => ({ default: class {} })); // a picture needs a browser; its numbers do not
vi.mock("uplot/dist/uPlot.min.css", () => ({}));
const { columns, room } = await import("./series.tsx");

test("what was not seen stays a gap", () => {
  expect(columns([{ at: "2026-11-29T12:00:00Z", value: null, n: 0 }, { at: "2026-11-29T12:01:00Z", value: 3, n: 2 }])).toEqual([[1795953600, 1795953660], [null, 3]]);
});

test("the axis holds all values and the target, and begins at zero where zero is near", () => {
  expect(room(100, 300, null)[0]).toBe(0);
  expect(room(0.9, 0.95, null)[0]).toBeGreaterThan(0.8);
  const [from, to] = room(0.9, 0.95, 0.99);
  expect(from).toBeLessThan(0.9);
  expect(to).toBeGreaterThan(0.99);
  expect(room(null, null, null)).toEqual([0, 1]);
  expect(room(0, 0, null)).toEqual([0, 1]);
  expect(room(0.9, 1, null, 1)[1]).toBe(1);
});
