/** Which times are compared: as long before an instant as after it. */
import { type Range, type Span, spanOf, stepEnd } from "../../words/range.ts";

const LEAST = 60_000; // what was a moment ago is compared with a minute

/** The span around a chosen instant: from there to now, and as long before. Without one (or with one that is not past), a range and as long before it. */
export function around(split: string, range: Range, now: number): Span & { chosen: boolean } {
  const at = Date.parse(split);
  if (Number.isNaN(at) || at > now) return { ...spanOf(range.ms, now), chosen: false };
  const until = Math.max(stepEnd(now - at, now), at + LEAST);
  return { from_at: new Date(at - (until - at)).toISOString(), split_at: new Date(at).toISOString(), until_at: new Date(until).toISOString(), chosen: true };
}
