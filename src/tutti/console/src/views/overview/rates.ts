/** Counts of equal parts of a time as rates per minute. */

interface Counted {
  alone: number;
  person: number;
  failed: number;
}

type Outcome = keyof Counted;

export interface Rates extends Record<Outcome, number[]> {
  /** Over the whole time. */
  mean: Counted;
}

export function rates(buckets: readonly Counted[], bucketMs: number): Rates {
  const minutes = bucketMs / 60_000;
  const of = (name: Outcome) => buckets.map((each) => each[name] / minutes);
  const mean = (name: Outcome) => (buckets.length ? buckets.reduce((sum, each) => sum + each[name], 0) / (minutes * buckets.length) : 0);
  return { alone: of("alone"), person: of("person"), failed: of("failed"), mean: { alone: mean("alone"), person: mean("person"), failed: mean("failed") } };
}

/** A rate with two digits that count: `41`, `4.1`, `0.41`; what is there is never written as nothing. */
export function perMinute(rate: number): string {
  if (rate === 0) return "0";
  if (rate < 0.01) return "<0.01";
  return rate >= 10 ? Math.round(rate).toLocaleString("en-GB") : String(Number(rate.toPrecision(2)));
}
