/** What moves, as it happens: hops out of the stream of changes, and out of a record of the past. */
import type { Hop } from "../../api/watching.ts";
import type { Change } from "../../live/stream.ts";
import { sourceOf } from "./graph.ts";

/** A move from one node to another, now. */
export interface Move {
  from: string;
  to: string;
}

const KNOWN = 20_000; // tasks whose source is kept until they start

/** Reads the stream: a task says whom it is from when it is submitted, when what it waited for is there, and when a person has said yes; and who has it when it starts. */
export class Follower {
  private sources = new Map<string, string>();

  /** The hops that these changes are. One whose beginning was not seen here is none. */
  take(changes: readonly Change[]): Move[] {
    const moves: Move[] = [];
    for (const change of changes) {
      if (!change.task) continue;
      if (change.from !== undefined || change.kind === "task.submitted" || change.kind === "approval.answered") {
        this.sources.set(change.task, sourceOf(change.from));
        if (this.sources.size > KNOWN) this.sources.delete(this.sources.keys().next().value as string);
      } else if (change.kind === "run.started" && change.agent) {
        const from = this.sources.get(change.task);
        if (from === undefined) continue;
        this.sources.delete(change.task); // a later attempt is no further hop
        moves.push({ from, to: change.agent });
      } else if (change.kind === "approval.requested" && change.agent) moves.push({ from: change.agent, to: "person" });
    }
    return moves;
  }
}

/** How many a second, over the last while. */
export class Rate {
  private times: number[] = [];

  constructor(private readonly overMs = 10_000) {}

  add(count: number, now: number): void {
    for (let each = 0; each < count; each++) this.times.push(now);
    this.trim(now);
  }

  perSecond(now: number): number {
    this.trim(now);
    return this.times.length / (this.overMs / 1000);
  }

  private trim(now: number): void {
    let old = 0;
    while (old < this.times.length && this.times[old]! < now - this.overMs) old++;
    if (old) this.times.splice(0, old);
  }
}

/** A record of hops to be played: what arrives between two instants, and what was under way and done by then. */
export class Tape {
  readonly from: number;
  readonly until: number;
  private readonly ends: readonly { at: number; hop: Hop }[];

  constructor(hops: readonly Hop[], from: string, until: string) {
    this.ends = hops.map((hop) => ({ at: Date.parse(hop.at) + hop.took_ms, hop })).sort((a, b) => a.at - b.at);
    this.from = Date.parse(from);
    this.until = Date.parse(until);
  }

  /** Hops that ended after `since`, up to and with `until`. */
  between(since: number, until: number): Hop[] {
    return this.ends.slice(this.after(since), this.after(until)).map((each) => each.hop);
  }

  /** How many hops each edge had in the minute before an instant, by `from` and `to`. */
  minute(at: number, key: (from: string, to: string) => string): Map<string, number> {
    const counts = new Map<string, number>();
    for (const hop of this.between(at - 60_000, at)) {
      const name = key(hop.from, hop.to);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  /** Counts of hops in equal parts of the whole time, to be drawn below the slider. */
  parts(many: number): number[] {
    const counts = Array.from({ length: many }, () => 0);
    const width = (this.until - this.from) / many || 1;
    for (const { at } of this.ends) {
      const part = Math.min(Math.floor((at - this.from) / width), many - 1);
      if (part >= 0) counts[part]!++;
    }
    return counts;
  }

  /** How many ended up to an instant. */
  private after(at: number): number {
    let low = 0, high = this.ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle]!.at <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
