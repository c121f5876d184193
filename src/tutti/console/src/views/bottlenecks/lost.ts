/** Sums over bottlenecks, and the tasks behind one. */
import type { Bottleneck } from "../../api/watching.ts";

/** What was lost by each cause, most first. */
export function lostBy(all: readonly Pick<Bottleneck, "cause" | "lost_ms">[]): { cause: string; ms: number }[] {
  const sums = new Map<string, number>();
  for (const each of all) sums.set(each.cause, (sums.get(each.cause) ?? 0) + each.lost_ms);
  return [...sums].map(([cause, ms]) => ({ cause, ms })).sort((a, b) => b.ms - a.ms);
}

/** The list of the tasks that waited there. Where some wait still, those; otherwise all that the one waited for has done since. */
export function tasksBehind({ from, to, cause, open }: Bottleneck, since: string): string {
  const query: Record<string, string> = {};
  if (open) query.status = cause === "person" || cause === "question" ? "human" : "waiting,queued";
  else query.since = since;
  const agent = cause === "person" || cause === "join" ? from : to;
  if (agent && agent !== "person" && agent !== "signal") query.agent = agent;
  return `/tasks?${new URLSearchParams(Object.entries(query).sort())}`;
}
