/** An approval in words. */
import type { Approval } from "../../api/schema.ts";
import { money, percent, share } from "../../words/format.ts";

export type { Approval };

/** The question as one: `Lower the price by 14.85 EUR.` becomes a question. */
export const asked = (question: string): string => (/[?!]$/.test(question.trim()) ? question.trim() : `${question.trim().replace(/\.$/, "")}?`);

/** What an answer is about, for its button: the sum where there is one, else the action. */
export const object = ({ amount, currency, skill }: Pick<Approval, "amount" | "currency" | "skill">): string => (amount === null ? skill : money(amount, currency));

/** How others like it were answered. Of few it is said as a count. */
export function precedent({ approved, rejected, changed, of, skill }: Approval["precedent"]): string {
  if (!of) return `Nobody has answered a ${skill} before.`;
  const others = [rejected && `${rejected} rejected`, changed && `${changed} changed`].filter(Boolean).join(", ");
  return `Of the last ${of} like it, people approved ${of < 20 ? `${share(approved, of)}` : `${approved} (${percent(approved / of, 0)})`}${others ? `; ${others}` : ""}.`;
}

/** How an answered one ended. */
export const ENDED: Record<string, string> = { approved: "approved", used: "approved", rejected: "rejected", changed: "changed", expired: "expired unanswered" };
