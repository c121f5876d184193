/** The filters of the task list: their names, and the spans in words (`24h`) that the API wants as instants. */

export const FILTERS = ["status", "q", "skill", "agent", "department", "nature", "since", "until"] as const;
export type Filter = (typeof FILTERS)[number];

/** Filters that a person adds by name; the others have a place of their own. */
export const ADDED: Record<Exclude<Filter, "status" | "q">, string> = {
  skill: "skill", agent: "agent", department: "department", nature: "nature", since: "came in since", until: "came in until",
};

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** An instant from `30m`, `24h`, `7d` (before `now`) or a date and time; null where it is neither. */
export function instant(text: string, now: number): string | null {
  const span = /^(\d+) ?(s|m|min|h|d)$/.exec(text.trim());
  if (span) return new Date(now - Number(span[1]) * UNITS[span[2]!]!).toISOString();
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : new Date(at).toISOString();
}

/** The filters as the API takes them. A span counts back from `now`; what is no instant is left as it is, and the API says so. */
export function asked(filters: Record<Filter, string>, now: number): Record<Filter, string> {
  const at = (text: string) => (text ? instant(text, now) ?? text : "");
  return { ...filters, since: at(filters.since), until: at(filters.until) };
}
