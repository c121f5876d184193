/** A goal as a form has it, all text, and as the API takes it. */

import type { Goal } from "../../api/schema.ts";

export type { Goal };

export const PARTS = ["quality", "latency", "cost", "load"] as const;
type Part = (typeof PARTS)[number];

export interface Form {
  name: string;
  kpi: string;
  target: string;
  note: string;
  weights: Record<Part, string>;
}

export const toForm = (goal: Goal | undefined): Form => ({
  name: goal?.name ?? "", kpi: goal?.kpi ?? "", target: goal?.target ?? "", note: goal?.note ?? "",
  weights: Object.fromEntries(PARTS.map((name) => [name, goal?.weights[name] === undefined ? "" : String(goal.weights[name])])) as Record<Part, string>,
});

type Ready = { body: { kpi: string; target: number | null; note: string; weights: Record<string, number> } } | { wrong: string };

/** What to send, or what is wrong with it. A comma is read as the point of a decimal. */
export function fromForm(form: Form): Ready {
  if (!form.name.trim()) return { wrong: "A goal needs a name." };
  const number = (text: string) => (text.trim() === "" ? null : Number(text.trim().replace(",", ".")));
  const target = number(form.target);
  if (target !== null && !Number.isFinite(target)) return { wrong: `${form.target} is no number: a target is one, or nothing.` };
  const weights: Record<string, number> = {};
  for (const name of PARTS) {
    const weight = number(form.weights[name]);
    if (weight === null) continue;
    if (!Number.isFinite(weight) || weight < 0 || weight > 1000) return { wrong: `The weight of ${name} is a number from 0 to 1,000.` };
    weights[name] = weight;
  }
  return { body: { kpi: form.kpi.trim(), target, note: form.note.trim(), weights } };
}
