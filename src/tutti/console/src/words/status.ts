/** The six states that a person tells apart, and how the API's states become them. */

export const STATUSES = ["queued", "running", "waiting", "human", "done", "failed"] as const;
export type Status = (typeof STATUSES)[number];

export const WORDS: Record<Status, string> = {
  queued: "queued", running: "running", waiting: "waiting", human: "needs a human", done: "done", failed: "failed",
};

const OF_STATE: Record<string, Status> = {
  submitted: "queued", working: "running", "input-required": "human", "auth-required": "human",
  completed: "done", failed: "failed", canceled: "failed", rejected: "failed",
};
const WAITING = new Set(["joining", "coalesced", "backoff", "queued", "approved"]);

/** What a task is at, from its state and (where known) its stage. */
export function statusOf(state: string, stage?: string | null): Status {
  if (stage && WAITING.has(stage)) return "waiting";
  return OF_STATE[state] ?? "queued";
}
