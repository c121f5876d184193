/** What one person prefers in this browser, whatever page is open: theme, zone, keys. Views have their state in the URL alone. */
import { useSyncExternalStore } from "react";
import type { Zone } from "../words/format.ts";

export interface Prefs {
  theme: "light" | "dark" | "system";
  zone: Zone;
  letters: boolean; // keys of a single letter (WCAG 2.1.4: they can be switched off)
}

const NAME = "tutti.preferences";
const DEFAULT: Prefs = { theme: "system", zone: "local", letters: true };
const watchers = new Set<() => void>();
let prefs: Prefs = read();

function read(): Prefs {
  try {
    return { ...DEFAULT, ...(JSON.parse(localStorage.getItem(NAME) ?? "{}") as Partial<Prefs>) };
  } catch {
    return DEFAULT;
  }
}

/** Change some of them, here and at the next visit. */
export function prefer(changes: Partial<Prefs>): void {
  prefs = { ...prefs, ...changes };
  try {
    localStorage.setItem(NAME, JSON.stringify(prefs));
  } catch {
    // a browser that keeps nothing: they hold for this visit
  }
  apply();
  for (const watcher of watchers) watcher();
}

const dark = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : null;

/** The theme that is on now. */
export const theme = (): "light" | "dark" => (prefs.theme === "system" ? (dark?.matches ? "dark" : "light") : prefs.theme);

function apply(): void {
  if (typeof document !== "undefined") document.documentElement.dataset.theme = theme();
}

apply();
dark?.addEventListener("change", () => {
  apply();
  for (const watcher of watchers) watcher();
});

export const usePrefs = (): Prefs => useSyncExternalStore((watcher) => (watchers.add(watcher), () => watchers.delete(watcher)), () => prefs);
export const useZone = (): Zone => usePrefs().zone;
