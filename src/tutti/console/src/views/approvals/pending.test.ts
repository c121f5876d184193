import { describe, expect, it } from "vitest";
import { Failure } from "../../api/client.ts";
import { type Answer, Pending, TAKE_BACK_MS } from "./pending.ts";

function house(fail?: Failure) {
  const sent: Answer[] = [], timers: { at: number; act: () => void }[] = [];
  let now = 0, broken = fail;
  const pending = new Pending(async (answer) => {
    if (broken) throw broken;
    sent.push(answer);
  }, () => now, (act, ms) => timers.push({ at: now + ms, act }));
  const pass = async (ms: number, late = 0) => {
    const until = now + ms;
    for (const timer of timers.splice(0).sort((one, other) => one.at - other.at)) {
      if (timer.at <= until) {
        now = timer.at + late;
        timer.act();
        await Promise.resolve();
      } else timers.push(timer);
    }
    now = Math.max(now, until);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  };
  const give = (id: string, words = "Approve") => pending.give({ id, act: "approve", words, question: "?", path: `/approvals/${id}/answer`, body: { answer: "approve" } });
  return { pending, sent, pass, give, mend: () => (broken = undefined) };
}

describe("answers that can be taken back", () => {
  it("are sent after ten seconds, not before", async () => {
    const { pending, sent, pass, give } = house();
    give("a-1");
    await pass(TAKE_BACK_MS - 1);
    expect(sent).toEqual([]);
    await pass(1);
    expect(sent.map((answer) => answer.id)).toEqual(["a-1"]);
    expect(pending.all()).toEqual([]);
  });
  it("are never sent once taken back", async () => {
    const { pending, sent, pass, give } = house();
    give("a-1");
    give("a-2");
    expect(pending.takeBack("a-1")).toBe(true);
    await pass(TAKE_BACK_MS * 2);
    expect(sent.map((answer) => answer.id)).toEqual(["a-2"]);
  });
  it("count from the last word where one was given twice", async () => {
    const { sent, pass, give } = house();
    give("a-1", "Approve");
    await pass(6_000);
    give("a-1", "Reject");
    await pass(6_000);
    expect(sent).toEqual([]);
    await pass(6_000);
    expect(sent.map((answer) => answer.words)).toEqual(["Reject"]);
  });
  it("stay with the reason when sending fails, and go with the same key again", async () => {
    const { pending, sent, pass, give, mend } = house(new Failure(0, "unreachable", "no", "", ""));
    give("a-1");
    await pass(TAKE_BACK_MS);
    expect(pending.of("a-1")).toMatchObject({ state: "failed", failure: { code: "unreachable" } });
    const { key } = pending.of("a-1")!;
    mend();
    await pending.go("a-1");
    expect(sent.map((answer) => answer.key)).toEqual([key]);
  });
  it("are not sent by a page that slept past their time", async () => {
    const { pending, sent, pass, give } = house();
    give("a-1");
    await pass(TAKE_BACK_MS, 3_600_000);
    expect(sent).toEqual([]);
    expect(pending.of("a-1")?.state).toBe("slept");
  });
  it("cannot be taken back while they are sent", async () => {
    const { pending, give } = house();
    give("a-1");
    void pending.go("a-1");
    expect(pending.takeBack("a-1")).toBe(false);
  });
});
