/** Short words about what a person has just done. One at a time. */
import { useSyncExternalStore } from "react";

export interface Toast {
  text: string;
  act?: { name: string; run: () => void };
}

let toast: Toast | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
const watchers = new Set<() => void>();

/** Say it for a while (5 s, or as long as `ms`). `act` is a button beside it, "Take back" for instance. */
export function say(text: string, act?: Toast["act"], ms = 5_000): void {
  put(act ? { text, act } : { text });
  clearTimeout(timer);
  timer = setTimeout(() => put(null), ms);
}

export function unsay(): void {
  clearTimeout(timer);
  put(null);
}

function put(next: Toast | null): void {
  toast = next;
  for (const watcher of watchers) watcher();
}

export const useToast = (): Toast | null => useSyncExternalStore((watcher) => (watchers.add(watcher), () => watchers.delete(watcher)), () => toast);
