/** The list's rows: pages of the past, and what the stream says of them since. New tasks are counted, never pushed in under the reader's eyes. */
import type { Change } from "../../live/stream.ts";
import { type Status, statusOf } from "../../words/status.ts";

export interface TaskRow {
  id: string;
  skill: string;
  department: string;
  state: string;
  stage: string;
  status: Status;
  retrying: boolean;
  reason: string | null;
  agent: string | null;
  with: string | null;
  subject: string | null;
  plan: string | null;
  approval?: string | null;
  quality: number | null;
  cost: number | null;
  currency: string | null;
  amount: number | null;
  submitted_at: string;
  started_at: string | null;
  finished_at: string | null;
}

const STAGES: Record<string, string> = {
  "task.coalesced": "coalesced", "task.queued": "queued", "approval.requested": "approval", "approval.answered": "approved", "run.started": "running",
  "task.asked": "asking", "task.answered": "running", "task.parked": "parked", "task.completed": "ended", "task.failed": "ended", "task.canceled": "ended", "task.rejected": "ended",
};

/** The rows after these changes; the very same array when none of them is about a row. `fresh` counts tasks that came in since. */
export function changed(rows: ReadonlyMap<string, TaskRow>, changes: readonly Change[]): { touched: Map<string, TaskRow>; fresh: number } {
  const touched = new Map<string, TaskRow>();
  let fresh = 0;
  for (const change of changes) {
    if (change.kind === "task.submitted") fresh++;
    const id = change.task;
    const row = id === undefined ? undefined : touched.get(id) ?? rows.get(id);
    if (!id || !row) continue;
    const stage = STAGES[change.kind] ?? row.stage;
    const state = change.state ?? row.state;
    const next: TaskRow = { ...row, state, stage, status: statusOf(state, stage), agent: change.agent ?? row.agent };
    next.with = next.status === "human" ? "person" : next.agent;
    if (change.kind === "run.started") next.started_at ??= change.at;
    if (stage === "ended") next.finished_at ??= change.at;
    touched.set(id, next);
  }
  return { touched, fresh };
}
