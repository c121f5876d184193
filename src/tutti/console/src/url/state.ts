/** The URL is the only state of a view: filters, sort, selection and range stand in it, and a reload shows the same. */
import { useCallback } from "react";
import { useSearchParams } from "wouter";

type Update = string | null | undefined;

/** One parameter of the URL. Setting it to its default, to nothing or to null takes it away. `push` makes a step that Back undoes. */
export function useParam(name: string, fallback = ""): [string, (value: Update, push?: boolean) => void] {
  const [params, set] = useSearchParams();
  const change = useCallback(
    (value: Update, push = false) => set((now) => without(now, { [name]: value === fallback ? null : value }), { replace: !push }),
    [set, name, fallback],
  );
  return [params.get(name) ?? fallback, change];
}

/** Several parameters at once: the values of these names, and a function that changes some of them in one step. */
export function useParams<Name extends string>(names: readonly Name[]): [Record<Name, string>, (changes: Partial<Record<Name, Update>>, push?: boolean) => void] {
  const [params, set] = useSearchParams();
  const values = Object.fromEntries(names.map((name) => [name, params.get(name) ?? ""])) as Record<Name, string>;
  const change = useCallback((changes: Partial<Record<Name, Update>>, push = false) => set((now) => without(now, changes as Record<string, Update>), { replace: !push }), [set]);
  return [values, change];
}

/** These parameters with changes; empty ones are left out, and names stand in a fixed order so that equal views have equal links. */
export function without(now: URLSearchParams, changes: Record<string, Update>): URLSearchParams {
  const all = new Map<string, string>(now.entries());
  for (const [name, value] of Object.entries(changes)) {
    if (value) all.set(name, value);
    else all.delete(name);
  }
  return new URLSearchParams([...all].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
