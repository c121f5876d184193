/** How far an action goes alone, in sentences. */
import { money } from "./format.ts";

export const APPROVE = 2, ACT = 4;

/** Levels as the backend names them when they are set; others it does not know yet. */
export const LEVELS = [
  { level: APPROVE, name: "approve", words: "L2 approve" },
  { level: ACT, name: "act", words: "L4 act" },
] as const;

/** What a level means for a skill: `L4: price.change goes alone up to €500.00; above that a person says yes first.` */
export function levelSentence(skill: string, level: number | null, upTo: number | null, currency: string | null = null): string {
  if (level === null) return `${skill} is advice: it has no effect outside, so it needs no level.`;
  if (level < ACT) return `L${level}: a person says yes to every ${skill} first.`;
  if (upTo === null) return `L${level}: ${skill} goes alone, whatever its amount; policy and budgets still hold.`;
  return `L${level}: ${skill} goes alone up to ${money(upTo, currency)}; above that a person says yes first.`;
}

/** The amount that a field means: null for none, undefined for what is no amount. */
export function amountOf(text: string): number | null | undefined {
  if (!text.trim()) return null;
  const amount = Number(text.trim().replace(",", "."));
  return Number.isFinite(amount) && amount >= 0 ? amount : undefined;
}
