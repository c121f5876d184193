/** Keys of the page. They sleep while somebody types, and those of one letter can be switched off. */
import { useEffect, useRef } from "react";
import { usePrefs } from "./prefs.ts";

export type Keys = Record<string, (event: KeyboardEvent) => void>;

const TYPING = "input:not([type='range'], [type='checkbox'], [type='radio']), textarea, select, [contenteditable='true'], [role='textbox'], [role='combobox']";
const PAUSE_MS = 1_200; // between the two letters of `g o`

/** Listen for these: `"ctrl+k"`, `"w"`, `"g o"`, `"?"`, `" "`. The newest listeners come first; what they take, others do not hear. */
export function useKeys(keys: Keys, enabled = true): void {
  const { letters } = usePrefs();
  const kept = useRef(keys);
  kept.current = keys;
  useEffect(() => {
    if (!enabled) return;
    let before = "", since = 0;
    const hear = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey) return;
      const held = event.ctrlKey || event.metaKey;
      const target = event.target instanceof Element ? event.target : null;
      if (!held && (target?.closest(TYPING) || !letters)) return;
      if (event.key === " " && target?.closest("button, a, summary, input[type='checkbox'], input[type='radio'], [role='option'], [role='menuitem'], [role='row']")) return;
      if (!held && document.querySelector("[role='dialog'], [role='menu']")) return;
      const now = Date.now();
      const pair = now - since < PAUSE_MS ? `${before} ${event.key}` : "";
      const act = held ? kept.current[`ctrl+${event.key.toLowerCase()}`] : kept.current[pair] ?? (before === "g" && pair ? undefined : kept.current[event.key]);
      before = event.key;
      since = now;
      if (!act) return;
      event.preventDefault();
      before = "";
      act(event);
    };
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  }, [enabled, letters]);
}

/** What the help page lists: keys and what they do. */
export const HELP: [keys: string, does: string][] = [
  ["Ctrl K", "search, go anywhere, do anything"], ["g o", "overview"], ["g m", "live map"], ["g t", "tasks"], ["g a", "approvals"], ["g n", "negotiations"], ["g l", "agents"], ["g u", "audit log"],
  ["j k", "next, previous"], ["Enter", "open"], ["w", "why"], ["a r e", "approve, reject, change"], ["z", "take the last answer back"], ["f", "filter"], ["/", "search"], ["t", "as a table"], ["+ − 0", "zoom a timeline or the map"], ["arrows", "walk a tree or the map"], [".", "light or dark"], ["space", "pause, go on"], ["?", "all keys"],
];
