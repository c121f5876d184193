import { describe, expect, it } from "vitest";
import { clock, count, duration, hash, money, NONE, percent, plural, quality, share, short, signed, when, who, zoneName } from "./format.ts";

describe("duration", () => {
  it.each([
    [0, "0 ms"], [0.25, "0.25 ms"], [3.14159, "3.1 ms"], [96, "96 ms"], [412.4, "412 ms"], [1540, "1.54 s"], [59_900, "59.9 s"], [60_000, "1 min 00 s"], [252_000, "4 min 12 s"],
    [3_600_000, "1 h 00 min"], [187_200_000, "2 d 4 h"], [-1540, "−1.54 s"],
  ])("%d ms is %s", (ms, text) => expect(duration(ms)).toBe(text));
  it("is a dash where nothing is known", () => {
    for (const nothing of [null, undefined, NaN, Infinity]) expect(duration(nothing)).toBe(NONE);
  });
});

describe("numbers", () => {
  it("have separators", () => expect(count(182041)).toBe("182,041"));
  it("agree with their word", () => {
    expect(plural(1, "task")).toBe("1 task");
    expect(plural(0, "task")).toBe("0 tasks");
    expect(plural(2, "reply", "replies")).toBe("2 replies");
  });
  it("of few are a count, not a percentage", () => {
    expect(share(1, 3)).toBe("1 of 3");
    expect(share(1052, 1204)).toBe("87.4%");
    expect(share(0, 0)).toBe(NONE);
    expect(share(null, 20)).toBe(NONE);
  });
  it("are signed with a minus, and nothing is plain zero", () => {
    expect(signed(0.0321)).toBe("+0.032");
    expect(signed(-0.012)).toBe("−0.012");
    expect(signed(-0.0001)).toBe("0");
    expect(signed(null)).toBe(NONE);
  });
  it("ratios and qualities", () => {
    expect(percent(0.8737)).toBe("87.4%");
    expect(quality(0.915)).toMatch(/^0\.9[12]$/);
    expect(quality(null)).toBe(NONE);
  });
});

describe("money", () => {
  it.each([
    [780, "EUR", "€780.00"], [0.031, "EUR", "€0.031"], [0.0000123, "USD", "$0.000012"], [-12.5, "EUR", "−€12.50"], [1234567.8, "GBP", "£1,234,567.80"], [5, "CHF", "5.00 CHF"], [5, "", "5.00"], [0, "EUR", "€0.00"],
  ])("%d %s is %s", (value, currency, text) => expect(money(value, currency)).toBe(text));
});

describe("times", () => {
  const at = "2026-11-29T13:03:22.418Z";
  it("stand in the zone that was asked for", () => {
    expect(clock(at, "utc")).toBe("13:03:22.418");
    expect(when(at, "utc", Date.parse("2026-11-29T23:00:00Z"))).toBe("13:03:22.418");
    expect(when(at, "utc", Date.parse("2026-11-30T01:00:00Z"))).toBe("29 Nov 2026, 13:03:22.418");
    expect(when(null, "utc")).toBe(NONE);
  });
  it("name their zone", () => {
    expect(zoneName("utc")).toBe("UTC");
    const date = new Date(at);
    date.getTimezoneOffset = () => -330;
    expect(zoneName("local", date)).toBe("UTC+5:30");
    date.getTimezoneOffset = () => 300;
    expect(zoneName("local", date)).toBe("UTC−5");
  });
});

describe("ids", () => {
  it("are short in a column", () => {
    expect(short("t-01M8MHYKSYXDSM1ZY8C342B8T5")).toBe("t-…42B8T5");
    expect(short("t-1")).toBe("t-1");
    expect(hash("9f3c77a0aabb04e1")).toBe("9f3c…04e1");
    expect(who("person/ana")).toBe("ana");
    expect(who("tutti")).toBe("tutti");
  });
});
