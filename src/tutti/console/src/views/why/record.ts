/** The record of a decision as the page takes it, and the sums that a reader may check: do the parts add up, who cannot be told apart. */
import type { KnownCandidate, PartRow, PartTable, Why } from "../../api/schema.ts";
import { count, duration, money, quality, signed } from "../../words/format.ts";

export type Candidate = KnownCandidate;
export type Parts = PartTable;

const NEAR = 5e-6; // each part is written with six digits, so a sum of four may be off in the last one

/** Whether a column of parts gives the score that it is said to give. */
export function addsUp({ rows, total }: Parts): boolean {
  const sum = (of: (row: PartRow) => number | null) => rows.reduce((so, row) => so + (of(row) ?? 0), 0);
  return (
    Math.abs(sum((row) => row.winner) - total.winner) < NEAR &&
    (total.runner_up === null || Math.abs(sum((row) => row.runner_up) - total.runner_up) < NEAR) &&
    (total.difference === null || Math.abs(sum((row) => row.difference) - total.difference) < 2 * NEAR)
  );
}

/** The candidates whose quality cannot be told from the chosen one's: their 95 % intervals overlap. */
export function overlapping<One extends Pick<Candidate, "chosen" | "low" | "high">>(rows: readonly One[]): One[] {
  const chosen = rows.find((row) => row.chosen);
  return chosen ? rows.filter((row) => row !== chosen && row.low <= chosen.high && chosen.low <= row.high) : [];
}

type Told = Pick<Why, "task" | "skill" | "sentence" | "candidates" | "parts" | "ruled_out" | "would_change" | "decided">;

const table = (head: string[], rows: string[][]): string => [`| ${head.join(" | ")} |`, `|${head.map(() => "---").join("|")}|`, ...rows.map((row) => `| ${row.map(cell).join(" | ")} |`)].join("\n");
const cell = (text: string): string => text.replace(/[\\|`*_[\]<>]/g, (sign) => `\\${sign}`).replace(/\s+/g, " ");

/** The decision as Markdown, for a ticket. What others wrote is escaped, so that it stays text there too. */
export function markdown(why: Told, currency: string | null, link: string): string {
  const parts: string[] = [`## Why ${cell(why.skill)} went as it did`, cell(why.sentence)];
  if (why.candidates.length) {
    parts.push("### Candidates, as known then", table(["", "Agent", "Quality (95 %)", "n", "Time", "Cost", "Load", "Score"], why.candidates.map((one) => [
      `${one.rank}${one.chosen ? " chosen" : one.tie ? " tie" : ""}`, `${one.agent} ${one.version}`, `${quality(one.quality)}${one.low !== null && one.high !== null ? ` (${quality(one.low)}–${quality(one.high)})` : ""}`, count(one.judged),
      duration(one.latency_ms), money(one.cost, currency), `${Math.round(100 * one.load)}%`, one.score.toFixed(3),
    ])));
  }
  if (why.parts) {
    const { rows, total, winner, runner_up: other } = why.parts;
    parts.push("### What made the score", table(["Part", winner, other ?? "–", "Difference"], [...rows.map((row) => [row.part, signed(row.winner), signed(row.runner_up), signed(row.difference)]), ["Score", total.winner.toFixed(3), total.runner_up === null ? "–" : total.runner_up.toFixed(3), signed(total.difference)]]));
  }
  if (why.ruled_out.length) parts.push("### Ruled out", ...why.ruled_out.map((one) => `- ${cell(one.agent)}: ${cell(one.rule)}`));
  if (why.would_change.length) parts.push("### What would have changed it", ...why.would_change.map((one) => `- ${cell(one.change)} → ${one.flips ? cell(one.to) : "same choice"}`));
  parts.push(`Task ${why.task}${why.decided ? `, audit #${why.decided.seq}${why.decided.leaf ? ` (${why.decided.leaf})` : ""}` : ""}. ${link}`);
  return parts.join("\n\n").replace(/\n\n- /g, "\n- ");
}
