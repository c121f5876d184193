import { expect, it } from "vitest";
import { type Means, Shared } from "./shared.ts";

class Source extends EventTarget {
  readyState = 0;
  constructor(readonly url: string) {
    super();
  }
  close() {
    this.readyState = 2;
  }
  say(type: string, data?: unknown) {
    if (type === "open") this.readyState = 1;
    this.dispatchEvent(data === undefined ? new Event(type) : new MessageEvent(type, { data: JSON.stringify(data) }));
  }
}

/** A browser of several tabs: one lock in order of asking, one channel that all others hear at once. */
function browser() {
  const sources: Source[] = [], waiting: (() => void)[] = [], channels = new Set<{ onmessage: ((event: MessageEvent) => void) | null }>();
  let held = false;
  const next = () => {
    held = false;
    waiting.shift()?.();
  };
  const means: Means = {
    source: (url) => (sources.push(new Source(url)), sources.at(-1) as unknown as EventSource),
    channel: () => {
      const own = { onmessage: null as ((event: MessageEvent) => void) | null, postMessage: (data: unknown) => queueMicrotask(() => channels.forEach((each) => each !== own && each.onmessage?.(new MessageEvent("message", { data })))), close: () => channels.delete(own) };
      channels.add(own);
      return own as unknown as BroadcastChannel;
    },
    locks: {
      request: ((_: string, options: LockOptions, run: () => Promise<void>) =>
        new Promise((resolve, reject) => {
          const take = () => {
            held = true;
            void run().then(() => (next(), resolve(undefined)));
          };
          options.signal?.addEventListener("abort", () => {
            const place = waiting.indexOf(take);
            if (place >= 0) waiting.splice(place, 1), reject(new Error("given up"));
          });
          if (held) waiting.push(take);
          else take();
        })) as unknown as LockManager["request"],
    },
  };
  return { means, sources };
}

const settle = () => new Promise((resolve) => setTimeout(resolve));

function tab(means: Means, url = "/v1/events?batch_ms=100") {
  const seen: string[] = [];
  const shared = new Shared(url, means);
  for (const type of ["open", "error", "beat", "changes", "resync"]) shared.addEventListener(type, (event) => seen.push(event instanceof MessageEvent ? `${type} ${(JSON.parse(event.data) as { seq: number }).seq}` : type));
  return { shared, seen };
}

it("has one connection for all tabs, and the next tab goes on where the first one left", async () => {
  const { means, sources } = browser();
  const first = tab(means), second = tab(means), third = tab(means);
  await settle();
  expect(sources).toHaveLength(1);
  sources[0]!.say("open");
  sources[0]!.say("changes", { seq: 7, changes: [] });
  await settle();
  expect(first.seen).toEqual(["open", "changes 7"]);
  expect(second.seen).toEqual(first.seen);
  expect(third.seen).toEqual(first.seen);
  first.shared.close();
  await settle();
  expect(sources).toHaveLength(2);
  expect(sources[1]!.url).toBe("/v1/events?batch_ms=100&after=7");
  sources[1]!.say("beat", { seq: 9 });
  await settle();
  expect(second.seen.at(-1)).toBe("beat 9");
  expect(third.seen.at(-1)).toBe("beat 9");
  expect(first.seen).toHaveLength(2);
});

it("a tab that comes later hears that it is live, and one that leaves while it waits takes nothing with it", async () => {
  const { means, sources } = browser();
  const first = tab(means);
  sources[0]!.say("open");
  const late = tab(means);
  const heard = tab(means);
  late.shared.close();
  await settle();
  expect(heard.shared.readyState).toBe(1);
  sources[0]!.readyState = 2;
  sources[0]!.say("error");
  await settle();
  expect(heard.shared.readyState).toBe(2); // over: each tab begins anew
  expect(heard.seen.at(-1)).toBe("error");
  first.shared.close();
});

it("a tab that was away while others went on reads everything anew", async () => {
  const { means, sources } = browser();
  tab(means);
  sources[0]!.say("open");
  sources[0]!.say("changes", { seq: 50, at: "2026-11-29T12:00:00Z", changes: [] });
  await settle();
  const away = tab(means, "/v1/events?batch_ms=100&after=9"), abreast = tab(means, "/v1/events?batch_ms=100&after=50"), fresh = tab(means);
  await settle();
  expect(away.seen.filter((each) => each !== "open 50")).toEqual(["resync 50"]); // the answer to another tab's hello is heard by all
  expect(abreast.seen).not.toContain("resync 50");
  expect(fresh.seen).toContain("open 50");
  expect(fresh.seen).not.toContain("resync 50");
});
