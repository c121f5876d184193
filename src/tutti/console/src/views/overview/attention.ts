/** What waits for a person: what it is called, how it looks, and where one deals with it. */
import type { Attention } from "../../api/watching.ts";
import type { Status } from "../../words/status.ts";

export interface Way {
  status: Status;
  path: string;
  act: string;
}

const part = encodeURIComponent;

/** Where an item leads to. What is wrong with an agent is a failure, what is switched off by a person is nobody's fault. */
export function wayOf({ kind, id, task }: Pick<Attention, "kind" | "id" | "task">): Way {
  switch (kind) {
    case "approval": return { status: "human", path: `/approvals/${part(id)}`, act: "Review" };
    case "question": return { status: "human", path: `/tasks/${part(task ?? id)}`, act: "Answer" };
    case "negotiation": return { status: "human", path: `/negotiations/${part(id)}`, act: "Review" };
    case "conflict": return { status: "human", path: `/conflicts/${part(id)}`, act: "Settle" };
    case "agent": return { status: "failed", path: `/agents/${part(id)}`, act: "Open" };
    case "switch": return { status: "waiting", path: "/settings", act: "Open" };
    default: return { status: "human", path: `/tasks/${part(task ?? id)}`, act: "Open" };
  }
}
