import { describe, expect, it } from "vitest";
import { linesOf } from "./lines.ts";

describe("the lines of a rule", () => {
  const one = '@id("reads")\npermit (principal, action, resource);', two = "forbid (principal, action, resource)\nwhen { context.amount > 5 };";
  const text = `// who may\n\n${one}\n\n${two}\n`;
  it("are found in their order, comments left out", () => {
    expect([...linesOf(text, [{ id: "a", text: one }, { id: "b", text: two }])]).toEqual([["a", { from: 3, to: 4 }], ["b", { from: 6, to: 7 }]]);
  });
  it("of two equal rules are not the same", () => {
    expect([...linesOf(`${one}\n${one}`, [{ id: "a", text: one }, { id: "b", text: one }]).values()]).toEqual([{ from: 1, to: 2 }, { from: 3, to: 4 }]);
  });
  it("are not made up", () => expect(linesOf(text, [{ id: "c", text: "permit ();" }]).size).toBe(0));
});
