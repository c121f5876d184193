/** The times that pages look at: the last so and so long, compared with as long before it. */

const MINUTE = 60_000, HOUR = 60 * MINUTE;

export const RANGES = [
  { name: "15m", words: "15 min", ms: 15 * MINUTE },
  { name: "1h", words: "60 min", ms: HOUR },
  { name: "6h", words: "6 h", ms: 6 * HOUR },
  { name: "24h", words: "24 h", ms: 24 * HOUR },
  { name: "7d", words: "7 days", ms: 7 * 24 * HOUR },
] as const;
export type Range = (typeof RANGES)[number];

/** The range of that name; an unknown name is the hour. */
export const rangeOf = (name: string): Range => RANGES.find((range) => range.name === name) ?? RANGES[1];

/** Instants of a comparison, as the API takes them. */
export interface Span {
  from_at: string;
  split_at: string;
  until_at: string;
}

/** How far apart two readings of a range are: often enough to be seen moving, seldom enough to be cheap. */
export const stepOf = (ms: number): number => Math.max(10_000, Math.round(ms / 360));

/** The range that ends with the step that `now` is in, with as much before it. Readings within one step are one question, and what happens in it is in the answer. */
export function spanOf(ms: number, now: number): Span {
  const until = stepEnd(ms, now);
  return { from_at: text(until - 2 * ms), split_at: text(until - ms), until_at: text(until) };
}

/** When the step ends that an instant is in. */
export const stepEnd = (ms: number, now: number): number => now - (now % stepOf(ms)) + stepOf(ms);

const text = (ms: number): string => new Date(ms).toISOString();
