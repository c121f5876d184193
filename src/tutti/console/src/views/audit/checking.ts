/** The check of the journal that is under way or was made last in this page, and the heads that this browser remembers from before. */
import { useSyncExternalStore } from "react";
import type { News, Order } from "./worker.ts";
import type { Progress, Remembered, Report } from "./verify.ts";

export interface Checking {
  state: "never" | "running" | "done" | "failed";
  progress: Progress | null;
  report: Report | null;
  failure: string;
  at: string | null;
}

const NAME = "tutti.heads";
const KEPT = 8; // journals whose heads are remembered
let now: Checking = { state: "never", progress: null, report: null, failure: "", at: null };
let worker: Worker | null = null;
const watchers = new Set<() => void>();

function put(next: Partial<Checking>): void {
  now = { ...now, ...next };
  for (const watcher of watchers) watcher();
}

export function remembered(): Remembered[] {
  try {
    const kept = JSON.parse(localStorage.getItem(NAME) ?? "[]") as unknown;
    return Array.isArray(kept) ? (kept as Remembered[]) : [];
  } catch {
    return [];
  }
}

function remember(head: Remembered): void {
  try {
    localStorage.setItem(NAME, JSON.stringify([head, ...remembered().filter((each) => each.origin !== head.origin)].slice(0, KEPT)));
  } catch {
    // a browser that keeps nothing: the next check has no earlier head to be held against
  }
}

/** Whether the browser lets this page compute hashes: it does on https and on localhost. */
export const able = (): boolean => typeof crypto !== "undefined" && crypto.subtle !== undefined;

export function stop(): void {
  worker?.terminate();
  worker = null;
  if (now.state === "running") put({ state: "never", progress: null });
}

export function start(): void {
  stop();
  worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  put({ state: "running", progress: null, report: null, failure: "" });
  worker.onerror = (event) => end({ state: "failed", failure: event.message || "The check could not start." });
  worker.onmessage = ({ data }: MessageEvent<News>) => {
    if ("progress" in data) put({ progress: data.progress });
    else if ("failure" in data) end({ state: "failed", failure: data.failure });
    else {
      const { report, head } = data;
      if (report.ok && head) remember({ origin: head.origin, seq: head.seq, root: head.root, at: head.at, key: head.key });
      end({ state: "done", report, at: new Date().toISOString() });
    }
  };
  worker.postMessage({ remembered: remembered() } satisfies Order);
}

function end(next: Partial<Checking>): void {
  worker?.terminate();
  worker = null;
  put(next);
}

export const useChecking = (): Checking => useSyncExternalStore((watcher) => (watchers.add(watcher), () => watchers.delete(watcher)), () => now);
