/** What the API tells of an approval, and how it is put in words. */
import type { ConflictSeen } from "../../api/schema.ts";
import { money, percent, share } from "../../words/format.ts";

export interface Evidence {
  task: string;
  skill: string;
  agent: string | null;
  output: unknown;
  cut: boolean;
}

export interface Approval {
  id: string;
  task: string;
  skill: string;
  /** open, approved, used (its task has started), rejected, changed (asked anew with other parameters) or expired */
  state: string;
  question: string;
  input: unknown;
  agent: string;
  version: string;
  policy: string;
  digest: string;
  reversible: boolean;
  reasons: string[];
  asked_at: string;
  expires_at: string;
  answered_by: string | null;
  department: string;
  subject: string | null;
  amount: number | null;
  currency: string | null;
  asked_by: string | null;
  parent: string | null;
  handed_to: string | null;
  answered_at: string | null;
  answer: string | null;
  note: string | null;
  undo: string | null;
  on_expiry: string;
  effects: string[];
  evidence: Evidence[];
  precedent: { approved: number; rejected: number; changed: number; of: number; skill: string };
  may_answer: boolean;
  conflicts?: ConflictSeen[];
}

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
