/** Small pictures of numbers, each with the words for who does not see it. */
import { quality } from "../words/format.ts";

/** A line of values; where there is no value there is a gap, not a zero. Decoration: the number stands beside it. */
export function Spark({ values, width = 200, height = 34 }: { values: readonly (number | null)[]; width?: number; height?: number }) {
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 1) return <svg viewBox={`0 0 ${width} ${height}`} aria-hidden="true" />;
  const low = Math.min(...known), high = Math.max(...known), step = (width - 6) / Math.max(values.length - 1, 1);
  const runs: string[] = [];
  let run: string[] = [];
  values.forEach((value, place) => {
    if (value === null) {
      if (run.length) runs.push(run.join(" "));
      run = [];
    } else run.push(`${(3 + place * step).toFixed(1)},${(height - 3 - (high > low ? (value - low) / (high - low) : 0.5) * (height - 6)).toFixed(1)}`);
  });
  if (run.length) runs.push(run.join(" "));
  return (
    <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      {runs.map((points, key) => points.includes(" ")
        ? <polyline key={key} points={points} fill="none" stroke="var(--accent)" strokeWidth="1.5" vectorEffect="non-scaling-stroke" />
        : <path key={key} d={`M${points.replace(",", " ")}h.01`} stroke="var(--accent)" strokeWidth="4" strokeLinecap="round" vectorEffect="non-scaling-stroke" />)}
    </svg>
  );
}

/** A mean with its 95 % interval on a scale that all rows share. */
export function Interval({ mean, low, high, from = 0, to = 1, width = 90, hollow = false }: { mean: number | null; low: number | null; high: number | null; from?: number; to?: number; width?: number; hollow?: boolean }) {
  if (mean === null || low === null || high === null) return null;
  const at = (value: number) => 5 + (Math.min(Math.max(value, from), to) - from) / (to - from || 1) * (width - 10);
  return (
    <svg width={width} height="12" role="img" aria-label={`${quality(mean)}, 95 % interval ${quality(low)} to ${quality(high)}`}>
      <line x1={at(low)} x2={at(high)} y1="6" y2="6" stroke="var(--edge)" strokeWidth="2" />
      <circle cx={at(mean)} cy="6" r="4" fill={hollow ? "var(--panel)" : "var(--accent)"} stroke="var(--accent)" strokeWidth="2" />
    </svg>
  );
}

/** A share 0..1 as a bar. */
export function Bar({ share, width = 90, label }: { share: number; width?: number; label?: string }) {
  return (
    <svg width={width} height="8" {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": true })}>
      <rect width={width} height="8" rx="4" fill="var(--line)" />
      <rect width={width * Math.min(Math.max(share, 0), 1)} height="8" rx="4" fill="var(--accent)" />
    </svg>
  );
}
