/** The stream of changes: one connection for the whole page, and for the browser's other tabs. It resumes by itself where it was cut off, and says how far behind it is. */
import { source } from "./shared.ts";

export interface Change {
  seq: number;
  at: string;
  kind: string;
  about: string;
  task?: string;
  state?: string;
  agent?: string;
  skill?: string;
  department?: string;
  from?: string;
}

export type Connection = "connecting" | "live" | "lost" | "paused" | "off";

export interface Standing {
  connection: Connection;
  /** Milliseconds from a change's being durable until it was here, of the last batch. */
  behind: number | null;
  /** When the data was last known to be right, in this browser's milliseconds. */
  asOf: number | null;
  seq: number;
}

type Reader = (changes: readonly Change[]) => void;

const BATCH_MS = 100;
const SILENT_MS = 25_000; // two heartbeats and a little

/** One stream with its readers. The source is made by `open`, so that a test can give its own. */
export class Stream {
  private source: EventSource | null = null;
  private readers = new Set<Reader>();
  private resyncs = new Set<() => void>();
  private watchers = new Set<() => void>();
  private standing: Standing = { connection: "off", behind: null, asOf: null, seq: 0 };
  private offset: number | null = null; // this clock minus the server's, at the quickest message so far
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly open: (url: string) => EventSource = source) {}

  start(): void {
    if (this.source) return;
    this.put({ connection: this.standing.asOf ? "lost" : "connecting" });
    const after = this.standing.seq ? `&after=${this.standing.seq}` : "";
    const source = (this.source = this.open(`/v1/events?batch_ms=${BATCH_MS}${after}`));
    source.addEventListener("open", () => this.alive());
    source.addEventListener("error", () => {
      this.put({ connection: "lost" });
      if (source.readyState === 2) this.again(); // the browser has given up: an answer other than a stream
    });
    source.addEventListener("beat", (event) => this.beat(JSON.parse((event as MessageEvent<string>).data)));
    source.addEventListener("changes", (event) => this.take(JSON.parse((event as MessageEvent<string>).data)));
    source.addEventListener("resync", (event) => {
      this.beat(JSON.parse((event as MessageEvent<string>).data));
      for (const each of this.resyncs) each();
    });
  }

  /** Close the connection; `start` takes up where it was. */
  stop(connection: Connection = "off"): void {
    clearTimeout(this.silence);
    this.source?.close();
    this.source = null;
    this.put({ connection });
  }

  read(reader: Reader): () => void {
    this.readers.add(reader);
    return () => this.readers.delete(reader);
  }

  onResync(reader: () => void): () => void {
    this.resyncs.add(reader);
    return () => this.resyncs.delete(reader);
  }

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  now = (): Standing => this.standing;

  private again(): void {
    this.source?.close();
    this.source = null;
    setTimeout(() => this.standing.connection === "lost" && this.start(), 2_000);
  }

  private alive(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.put({ connection: "lost" });
      this.again();
    }, SILENT_MS);
    if (this.standing.connection !== "live") {
      const wasLost = this.standing.connection === "lost" && this.standing.asOf !== null;
      this.put({ connection: "live", asOf: Date.now() });
      if (wasLost) for (const each of this.resyncs) each();
    }
  }

  private beat({ at, seq }: { at: string; seq: number }): void {
    this.alive();
    this.measure(at);
    this.put({ asOf: Date.now(), seq: Math.max(seq, this.standing.seq) });
  }

  private measure(at: string): number {
    const lag = Date.now() - Date.parse(at);
    if (this.offset === null || lag < this.offset) this.offset = lag;
    return lag - this.offset;
  }

  private take(batch: { seq: number; at: string; changes: Change[] }): void {
    this.alive();
    const onTheWay = this.measure(batch.at);
    const oldest = batch.changes[0];
    const waited = oldest ? Math.max(Date.parse(batch.at) - Date.parse(oldest.at), 0) : 0;
    this.put({ behind: waited + onTheWay, asOf: Date.now(), seq: Math.max(batch.seq, this.standing.seq) });
    for (const reader of this.readers) reader(batch.changes);
  }

  private put(next: Partial<Standing>): void {
    this.standing = { ...this.standing, ...next };
    for (const watcher of this.watchers) watcher();
  }
}

export const stream = new Stream();
