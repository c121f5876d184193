/** Answers that were given and are not sent yet: for ten seconds each can be taken back. They live as long as the page, whatever view is open. */
import { useSyncExternalStore } from "react";
import { Failure, newKey, post } from "../../api/client.ts";
import { outOfDate } from "../../api/queries.ts";

export const TAKE_BACK_MS = 10_000;
const SLEPT_MS = 60_000; // a page that slept through the moment of sending must not act hours later

export interface Answer {
  /** The approval's id. */
  id: string;
  act: "approve" | "reject" | "change" | "hand over";
  /** What it does, with its object: `Approve €780`. */
  words: string;
  question: string;
  path: string;
  body: unknown;
  dueAt: number;
  key: string;
  /** `slept`: the page was not awake when it should have been sent, so it was not. */
  state: "waiting" | "sending" | "failed" | "slept";
  failure: Failure | null;
}

type Given = Pick<Answer, "id" | "act" | "words" | "question" | "path" | "body">;

/** The answers under way. Clock, timers and sending are given, so that a test needs no ten seconds. */
export class Pending {
  private answers: readonly Answer[] = [];
  private watchers = new Set<() => void>();

  constructor(
    private readonly send: (answer: Answer) => Promise<unknown>,
    private readonly now: () => number = Date.now,
    private readonly later: (act: () => void, ms: number) => unknown = (act, ms) => setTimeout(act, ms),
  ) {}

  all = (): readonly Answer[] => this.answers;

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  of(id: string): Answer | undefined {
    return this.answers.find((answer) => answer.id === id);
  }

  /** Hold an answer for ten seconds. One of the same approval that is still held is replaced; one that is being sent stays. */
  give(given: Given): void {
    if (this.of(given.id)?.state === "sending") return;
    const answer: Answer = { ...given, dueAt: this.now() + TAKE_BACK_MS, key: newKey(), state: "waiting", failure: null };
    this.put([...this.answers.filter((each) => each.id !== given.id), answer]);
    this.later(() => this.due(answer.key), TAKE_BACK_MS);
  }

  /** Nothing of it was sent, and nothing will be. Too late once it is being sent. */
  takeBack(id: string): boolean {
    const answer = this.of(id);
    if (!answer || answer.state === "sending") return false;
    this.put(this.answers.filter((each) => each !== answer));
    return true;
  }

  /** Send it now: because its time has come, because the person does not want to wait, or again after a failure. */
  async go(id: string): Promise<void> {
    const answer = this.of(id);
    if (!answer || answer.state === "sending") return;
    this.change(answer.key, { state: "sending", failure: null });
    try {
      await this.send(answer);
      this.put(this.answers.filter((each) => each.key !== answer.key));
    } catch (error) {
      this.change(answer.key, { state: "failed", failure: error instanceof Failure ? error : new Failure(0, "failed", String(error), "", answer.path) });
    }
  }

  private due(key: string): void {
    const answer = this.answers.find((each) => each.key === key && each.state === "waiting");
    if (!answer) return;
    if (this.now() - answer.dueAt > SLEPT_MS) this.change(key, { state: "slept" });
    else void this.go(answer.id);
  }

  private change(key: string, changes: Partial<Answer>): void {
    this.put(this.answers.map((each) => (each.key === key ? { ...each, ...changes } : each)));
  }

  private put(next: readonly Answer[]): void {
    this.answers = next;
    for (const watcher of this.watchers) watcher();
  }
}

export const pending = new Pending(async (answer) => {
  try {
    await post(answer.path, answer.body, answer.key);
  } finally {
    outOfDate("/approvals", "/attention", "/tasks");
  }
});

export const usePending = (): readonly Answer[] => useSyncExternalStore(pending.watch, pending.all);

if (typeof addEventListener === "function")
  addEventListener("beforeunload", (event) => {
    if (pending.all().some((answer) => answer.state === "waiting" || answer.state === "sending")) event.preventDefault();
  });
