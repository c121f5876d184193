/** One connection for all tabs of a browser: with HTTP/1.1 a browser opens six to a server, and the seventh tab would wait for ever.
 *
 * The tab that holds the lock listens and hands on; when it closes, the lock and the listening go to another one, which takes up where it was.
 */

const NAME = "tutti.stream";
const TYPES = ["beat", "changes", "resync"] as const;

/** What a shared source needs of the browser; a test gives its own. */
export interface Means {
  locks: Pick<LockManager, "request">;
  channel: (name: string) => BroadcastChannel;
  source: (url: string) => EventSource;
}

const browser = (): Means | null =>
  typeof navigator === "undefined" || !navigator.locks || typeof BroadcastChannel === "undefined" ? null : { locks: navigator.locks, channel: (name) => new BroadcastChannel(name), source: (url) => new EventSource(url) };

interface Told {
  type: string;
  data?: string;
}

/** An `EventSource` that may be another tab's. */
export class Shared extends EventTarget {
  readyState = 0;
  private closed = false;
  private release: (() => void) | null = null;
  private source: EventSource | null = null;
  private readonly channel: BroadcastChannel;
  private readonly giveUp = new AbortController();
  private seq: number;
  private last = ""; // what came last, with its seq and the server's time

  constructor(private readonly url: string, private readonly means: Means) {
    super();
    this.seq = Number(new URL(url, "http://x").searchParams.get("after") ?? 0);
    this.channel = means.channel(NAME);
    this.channel.onmessage = (event: MessageEvent<Told>) => this.hear(event.data);
    this.channel.postMessage({ type: "hello" } satisfies Told);
    means.locks.request(NAME, { signal: this.giveUp.signal }, () => this.lead()).catch(() => undefined); // given up: the tab closes, or pauses
  }

  close(): void {
    this.closed = true;
    this.readyState = 2;
    this.giveUp.abort();
    this.source?.close();
    this.release?.();
    this.channel.close();
  }

  /** Listen for all tabs, until this one closes. */
  private lead(): Promise<void> {
    if (this.closed) return Promise.resolve();
    const address = new URL(this.url, "http://x");
    if (this.seq) address.searchParams.set("after", String(this.seq));
    const source = (this.source = this.means.source(address.pathname + address.search));
    const pass = (told: Told) => {
      if (!this.closed) this.channel.postMessage(told);
      this.tell(told);
    };
    source.addEventListener("open", () => pass({ type: "open" }));
    source.addEventListener("error", () => pass({ type: source.readyState === 2 ? "over" : "error" }));
    for (const type of TYPES) source.addEventListener(type, (event) => pass({ type, data: (event as MessageEvent<string>).data }));
    return new Promise((resolve) => (this.release = resolve));
  }

  private hear(told: Told): void {
    if (told.type === "hello") {
      if (this.source?.readyState === 1) this.channel.postMessage((this.last ? { type: "open", data: this.last } : { type: "open" }) satisfies Told);
      return;
    }
    if (this.source) return; // who listens itself has told it already
    const before = this.seq;
    this.tell(told);
    if (told.type === "open" && before && this.seq > before) this.tell({ type: "resync", data: told.data! }); // this tab was away, and the others went on
  }

  private tell(told: Told): void {
    this.readyState = told.type === "over" ? 2 : told.type === "error" ? 0 : 1;
    if (told.data) {
      this.last = told.data.length < 200 ? told.data : JSON.stringify({ ...(JSON.parse(told.data) as object), changes: [] });
      this.seq = Math.max(this.seq, (JSON.parse(told.data) as { seq: number }).seq);
    }
    this.dispatchEvent(told.data === undefined ? new Event(told.type === "over" ? "error" : told.type) : new MessageEvent(told.type, { data: told.data }));
  }
}

/** The stream at an address: shared where the browser can (a secure place), this tab's own elsewhere. */
export function source(url: string, means: Means | null = browser()): EventSource {
  return means ? (new Shared(url, means) as unknown as EventSource) : new EventSource(url);
}
