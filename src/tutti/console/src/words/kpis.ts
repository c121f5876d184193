/** How the measures are called, written and compared. */
import type { Kpi } from "../api/watching.ts";
import { count, duration, money, NONE, percent, quality, share } from "./format.ts";

export const KPIS: Record<string, { name: string; unit: string; cases: string; about: string }> = {
  latency: { name: "Inter-agent latency p95", unit: "ms", cases: "hops", about: "From the end of one agent's run to the start of the next one's that it caused; people are left out." },
  quality: { name: "Resolution quality", unit: "share", cases: "judged", about: "Mean judgement of finished tasks, the strongest source counting: person, KPI, check, judge." },
  autonomy: { name: "Autonomy ratio", unit: "share", cases: "actions", about: "Finished actions that no person approved, changed, answered or overrode, of all finished actions." },
  cost: { name: "Cost per resolution", unit: "money", cases: "resolutions", about: "What was spent on a task that came from outside and on all that followed from it." },
  resolution_time: { name: "Time to resolution p95", unit: "ms", cases: "resolutions", about: "From a task's coming in from outside to its end, with all that followed from it." },
};

export const kpiName = (name: string): string => KPIS[name]?.name ?? name;

/** A value of a KPI in its unit. */
export function kpiValue({ name, unit }: Pick<Kpi, "name" | "unit">, value: number | null | undefined, currency: string | null): string {
  if (value == null) return NONE;
  if (unit === "ms") return duration(value);
  if (unit === "money") return money(value, currency);
  return name === "quality" ? quality(value) : percent(value);
}

/** What a goal asks for, in the unit of its KPI where that is one of the fleet's own; otherwise as it was said. */
export function targetWords(kpi: string, target: string, currency: string | null): string {
  const known = KPIS[kpi], value = Number(target);
  return known && target !== "" && Number.isFinite(value) ? kpiValue({ name: kpi, unit: known.unit }, value, currency) : target;
}

/** The size of a difference in its unit: shares in points. */
export function kpiSize(kpi: Pick<Kpi, "name" | "unit">, value: number, currency: string | null): string {
  if (kpi.unit === "share" && kpi.name !== "quality") return `${(100 * Math.abs(value)).toFixed(1)} pts`;
  return kpiValue(kpi, Math.abs(value), currency);
}

export interface Verdict {
  tone: "pro" | "con" | "sub";
  text: string;
  /** The interval of the difference, in words; empty where there is none. */
  interval: string;
}

/** What became of it: better or worse only where the interval of the difference leaves zero out. */
export function kpiVerdict(kpi: Kpi, currency: string | null): Verdict {
  const { difference } = kpi;
  if (!difference) return { tone: "sub", text: kpi.before.n === 0 ? "nothing before to compare with" : kpi.n === 0 ? "nothing yet" : "too few to compare", interval: "" };
  const signed = (value: number) => `${value < 0 ? "−" : value > 0 ? "+" : ""}${kpiSize(kpi, value, currency)}`;
  const interval = `95% ${signed(difference.low)} to ${signed(difference.high)}`;
  if (difference.low <= 0 && difference.high >= 0) return { tone: "sub", text: `no clear change (${signed(difference.value)})`, interval };
  const better = difference.value < 0 === (kpi.better === "lower");
  return { tone: better ? "pro" : "con", text: `${difference.value < 0 ? "▼" : "▲"} ${kpiSize(kpi, difference.value, currency)} ${better ? "better" : "worse"}`, interval };
}

/** Of how many cases a value is, in words: `1,204 judged of 1,310`. */
export function kpiCases(kpi: Pick<Kpi, "name">, { n, of }: { n: number; of: number }): string {
  if (kpi.name === "autonomy") return `${count(n)} of ${count(of)} without a person`;
  const cases = KPIS[kpi.name]?.cases ?? "cases";
  return n === of ? `${count(n)} ${cases}` : `${count(n)} ${cases} of ${count(of)}`;
}

/** Its target as a sentence's end: `target ≤ 500 ms`. */
export const kpiTarget = (kpi: Kpi, currency: string | null): string =>
  kpi.target == null ? "" : `target ${kpi.better === "lower" ? "≤" : "≥"} ${kpiValue(kpi, kpi.target, currency)}`;

/** The large number of a card. Of few actions the share is said as a count. */
export const kpiHeadline = (kpi: Kpi, currency: string | null): string =>
  kpi.name === "autonomy" && kpi.of > 0 && kpi.of < 20 ? share(kpi.n, kpi.of) : kpiValue(kpi, kpi.value, currency);

/** A 95 % interval, its unit said once where both ends have the same: `95% 191–228 ms`. */
export function kpiInterval(kpi: Pick<Kpi, "name" | "unit">, low: number | null, high: number | null, currency: string | null): string {
  if (low === null || high === null) return "";
  const [from, to] = [kpiValue(kpi, low, currency), kpiValue(kpi, high, currency)];
  const unit = / ?[a-z%]+$/.exec(to)?.[0] ?? "";
  return `95% ${unit && from.endsWith(unit) ? from.slice(0, -unit.length) : from}–${to}`;
}
