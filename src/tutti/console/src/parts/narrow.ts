/** Whether the page is as narrow as a phone. */
import { useSyncExternalStore } from "react";

const query = typeof matchMedia === "function" ? matchMedia("(max-width: 760px)") : null;

export const useNarrow = (): boolean => useSyncExternalStore((watcher) => (query?.addEventListener("change", watcher), () => query?.removeEventListener("change", watcher)), () => query?.matches ?? false);
