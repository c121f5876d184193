/** Which answers a change makes old. Marking is gathered, so that a hundred changes a second read a page again once in a while, not a hundred times. */
import { cache } from "../api/queries.ts";
import type { Change, Stream } from "./stream.ts";

const RULES: [prefix: string, paths: string[]][] = [
  ["approval.", ["/approvals", "/attention"]],
  ["task.", ["/tasks/", "/attention"]],
  ["run.", ["/tasks/"]],
  ["negotiation.", ["/negotiations", "/attention"]],
  ["conflict.", ["/conflicts", "/attention"]],
  ["signal.", ["/signals"]],
  ["agent.", ["/agents", "/attention"]],
  ["autonomy.", ["/agents", "/policies"]],
  ["kill.", ["/kill-switches", "/attention", "/agents"]],
  ["goal.", ["/goals"]],
  ["policy.", ["/policies"]],
  ["account.", ["/accounts"]],
  ["token.", ["/tokens"]],
  ["plan.", ["/playbooks", "/tasks/"]],
];
const EVERY_MS = 1_500;

/** The paths that these changes make old. A task's own pages only where the change is about that task. */
export function old(changes: readonly Change[]): { paths: Set<string>; tasks: Set<string> } {
  const paths = new Set<string>();
  const tasks = new Set<string>();
  for (const change of changes) {
    for (const [prefix, found] of RULES) if (change.kind.startsWith(prefix)) for (const path of found) if (path !== "/tasks/") paths.add(path);
    if (change.task) tasks.add(change.task);
  }
  return { paths, tasks };
}

/** Follow the stream and mark what is on the page as old, at most once in `EVERY_MS`. After a resync everything is. */
export function keepFresh(stream: Stream): () => void {
  let paths = new Set<string>();
  let tasks = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const mark = () => {
    timer = undefined;
    const [nowOld, nowTasks] = [paths, tasks];
    paths = new Set();
    tasks = new Set();
    void cache.invalidateQueries({
      predicate: ({ queryKey }) => {
        const path = String(queryKey[0]);
        for (const prefix of nowOld) if (path.startsWith(prefix)) return true;
        const task = /^\/(?:tasks|why|lineage|negotiations)\/(t-[^/]+)/.exec(path)?.[1];
        return task !== undefined && nowTasks.has(task);
      },
    });
  };
  const stops = [
    stream.read((changes) => {
      const found = old(changes);
      for (const path of found.paths) paths.add(path);
      for (const task of found.tasks) tasks.add(task);
      timer ??= setTimeout(mark, EVERY_MS);
    }),
    stream.onResync(() => void cache.invalidateQueries()),
  ];
  return () => {
    clearTimeout(timer);
    for (const stop of stops) stop();
  };
}
