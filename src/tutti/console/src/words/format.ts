/** How numbers, times and money are written. Everything that stands on a page goes through here. */

export const NONE = "–";
const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

/** A duration in words for reading: `0.28 s`, `4 min 12 s`, `3 h 05 min`, `2 d 4 h`. Milliseconds in. */
export function duration(ms: number | null | undefined): string {
  if (ms == null || !Number.isFinite(ms)) return NONE;
  if (ms < 0) return `−${duration(-ms)}`;
  if (ms < 1) return ms === 0 ? "0 ms" : `${ms.toFixed(2)} ms`;
  if (ms < 100) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < MINUTE) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${two(Math.floor((ms % MINUTE) / 1000))} s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${two(Math.floor((ms % HOUR) / MINUTE))} min`;
  return `${Math.floor(ms / DAY)} d ${Math.floor((ms % DAY) / HOUR)} h`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** A whole number with separators: `12,041`. */
export const count = (n: number | null | undefined): string => (n == null ? NONE : Math.round(n).toLocaleString("en-GB"));

/** `1 task`, `2 tasks`. */
export const plural = (n: number, word: string, many = `${word}s`): string => `${count(n)} ${n === 1 ? word : many}`;

/** A share as a percentage; of fewer than 20 it is said as a count: `1 of 3`. */
export function share(part: number | null | undefined, of: number | null | undefined): string {
  if (part == null || !of) return NONE;
  return of < 20 ? `${count(part)} of ${count(of)}` : `${((100 * part) / of).toFixed(1)}%`;
}

/** A ratio 0..1 as a percentage. */
export const percent = (ratio: number | null | undefined, digits = 1): string => (ratio == null ? NONE : `${(100 * ratio).toFixed(digits)}%`);

/** A quality 0..1: two digits. */
export const quality = (value: number | null | undefined): string => (value == null ? NONE : value.toFixed(2));

/** A signed difference: `+0.032`, `−0.012`, `0`. */
export function signed(value: number | null | undefined, digits = 3): string {
  if (value == null) return NONE;
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? "0" : `${value > 0 ? "+" : "−"}${text}`;
}

const SIGNS: Record<string, string> = { EUR: "€", USD: "$", GBP: "£", JPY: "¥" };

/** Money: `€780.00`, `€0.031`; small sums get the digits they need. An unknown currency stands behind. */
export function money(value: number | null | undefined, currency: string | null | undefined = ""): string {
  if (value == null) return NONE;
  const size = Math.abs(value);
  const digits = size === 0 || size >= 1 ? 2 : size >= 0.001 ? 3 : 6;
  const text = size.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const sign = currency ? SIGNS[currency] : "";
  return `${value < 0 ? "−" : ""}${sign ?? ""}${text}${sign == null ? ` ${currency}` : ""}`;
}

/** The zones that the switch in the header offers: UTC, and this browser's. */
export type Zone = "utc" | "local";
export const zoneOf = (zone: Zone): string => (zone === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");

/** How a zone is called at an instant: `UTC`, `UTC+1`, `UTC+5:30`. */
export function zoneName(zone: Zone, at: Date = new Date()): string {
  if (zone === "utc") return "UTC";
  const minutes = -at.getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes > 0 ? "+" : "−"}${Math.floor(Math.abs(minutes) / 60)}${rest ? `:${two(rest)}` : ""}`;
}

const formats = new Map<string, Intl.DateTimeFormat>();
function format(zone: Zone, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  let found = formats.get(key);
  if (!found) formats.set(key, (found = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zoneOf(zone), hourCycle: "h23" })));
  return found;
}

/** The exact time of an instant: `14:03:22.418`. */
export const clock = (at: string | number | Date, zone: Zone): string =>
  format(zone, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 }).format(new Date(at));

/** Hours and minutes. */
export const hour = (at: string | number | Date, zone: Zone): string => format(zone, { hour: "2-digit", minute: "2-digit" }).format(new Date(at));

/** The day: `29 Nov 2026`. */
export const day = (at: string | number | Date, zone: Zone): string => format(zone, { day: "2-digit", month: "short", year: "numeric" }).format(new Date(at));

/** Time, with its day when that is not today. */
export function when(at: string | null | undefined, zone: Zone, now: number = Date.now()): string {
  if (!at) return NONE;
  return day(at, zone) === day(now, zone) ? clock(at, zone) : `${day(at, zone)}, ${clock(at, zone)}`;
}

/** An id, short enough for a column; the whole one belongs into the title. */
export const short = (id: string): string => (id.length > 16 ? `${id.slice(0, 2)}…${id.slice(-6)}` : id);

/** A hash: `9f3c…04e1`. */
export const hash = (hex: string | null | undefined): string => (hex ? `${hex.slice(0, 4)}…${hex.slice(-4)}` : NONE);

/** Who did it, without the kind in front: `person/ana` is Ana's, `agent/pay` is pay. */
export const who = (by: string | null | undefined): string => (by ? by.replace(/^(person|agent|service)\//, "") : NONE);
