/** Instants in a field for date and time, which knows no zone: what stands in it is meant in the page's. */
import { type Zone, zoneOf } from "./format.ts";

const two = (n: number) => String(n).padStart(2, "0");

/** An instant as such a field holds it: `2026-11-29T14:03`. */
export function toField(at: string, zone: Zone): string {
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat("en-GB", { timeZone: zoneOf(zone), hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" }).formatToParts(new Date(at)).map((part) => [part.type, part.value]),
  );
  return `${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}`;
}

/** The instant that a field means, or null where it is none. */
export function fromField(text: string, zone: Zone): string | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::\d\d)?$/.exec(text);
  if (!match) return null;
  const [, year, month, date, hours, minutes] = match.map(Number) as [number, number, number, number, number, number];
  const at = zone === "utc" ? new Date(Date.UTC(year, month - 1, date, hours, minutes)) : new Date(`${year}-${two(month)}-${two(date)}T${two(hours)}:${two(minutes)}`);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}
