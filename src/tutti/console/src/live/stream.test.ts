import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Change, Stream } from "./stream.ts";

class Source extends EventTarget {
  readyState = 1;
  closed = false;
  constructor(readonly url: string) {
    super();
  }
  close() {
    this.closed = true;
  }
  say(type: string, data?: unknown) {
    this.dispatchEvent(data === undefined ? new Event(type) : Object.assign(new Event(type), { data: JSON.stringify(data) }));
  }
}

let sources: Source[] = [];
const make = () => new Stream((url) => (sources.push(new Source(url)), sources.at(-1) as unknown as EventSource));
const at = (ms: number) => new Date(Date.parse("2026-11-29T12:00:00Z") + ms).toISOString();

beforeEach(() => {
  sources = [];
  vi.useFakeTimers({ now: Date.parse("2026-11-29T12:00:00Z") });
});
afterEach(() => void vi.useRealTimers());

const change = (seq: number, ms: number): Change => ({ seq, at: at(ms), kind: "task.submitted", about: `t-${seq}`, task: `t-${seq}` });

it("says how far behind it is: waiting on the server, and the way longer than the quickest so far", () => {
  const stream = make();
  stream.start();
  const source = sources[0]!;
  source.say("open");
  source.say("beat", { at: at(-20), seq: 4 }); // the clocks differ by 20 ms, or that is the way
  expect(stream.now()).toMatchObject({ connection: "live", seq: 4, behind: null });
  vi.advanceTimersByTime(1_000);
  source.say("changes", { at: at(950), seq: 6, changes: [change(5, 850), change(6, 940)] });
  expect(stream.now()).toMatchObject({ seq: 6, behind: 100 + 30 });
});

it("hands on what comes, and takes up where it was", () => {
  const stream = make();
  const seen: number[] = [];
  stream.read((changes) => seen.push(...changes.map((each) => each.seq)));
  stream.start();
  expect(sources[0]!.url).not.toContain("after");
  sources[0]!.say("changes", { at: at(0), seq: 9, changes: [change(8, 0), change(9, 0)] });
  stream.stop("paused");
  expect(sources[0]!.closed).toBe(true);
  expect(stream.now().connection).toBe("paused");
  stream.start();
  expect(sources[1]!.url).toContain("after=9");
  expect(seen).toEqual([8, 9]);
});

it("is lost when nothing comes, comes again by itself, and then everything is read anew", () => {
  const stream = make();
  let resyncs = 0;
  stream.onResync(() => resyncs++);
  stream.start();
  sources[0]!.say("open");
  vi.advanceTimersByTime(26_000);
  expect(stream.now().connection).toBe("lost");
  vi.advanceTimersByTime(2_100);
  expect(sources).toHaveLength(2);
  sources[1]!.say("open");
  expect(stream.now().connection).toBe("live");
  expect(resyncs).toBe(1);
});

it("comes again where the browser has given up", () => {
  const stream = make();
  stream.start();
  sources[0]!.say("open");
  sources[0]!.readyState = 2;
  sources[0]!.say("error");
  expect(stream.now().connection).toBe("lost");
  vi.advanceTimersByTime(2_100);
  expect(sources).toHaveLength(2);
});
