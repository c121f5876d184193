/** The rows of a task list: read page by page up to a window of 5,000, kept right by the stream, and read again where the stream cannot say enough. */
import { useCallback, useEffect, useRef, useState } from "react";
import { type Failure, get, type Query } from "../../api/client.ts";
import { stream } from "../../live/stream.ts";
import { changed, type TaskRow } from "./rows.ts";

const PAGE = 250;
export const WINDOW = 5_000;

interface Page {
  tasks: TaskRow[];
  next: number | null;
}

export interface Rows {
  rows: readonly TaskRow[];
  /** Tasks that came in since the list was read. */
  fresh: number;
  more: boolean;
  loading: boolean;
  failure: Failure | null;
  loadMore: () => void;
  reload: () => void;
}

export function useRows(filters: Query): Rows {
  const key = JSON.stringify(filters);
  const kept = useRef({ rows: new Map<string, TaskRow>(), next: null as number | null, busy: false, turn: 0 });
  const [rows, setRows] = useState<readonly TaskRow[]>([]);
  const [fresh, setFresh] = useState(0);
  const [more, setMore] = useState(false);
  const [loading, setLoading] = useState(true);
  const [failure, setFailure] = useState<Failure | null>(null);

  const load = useCallback(async (start: boolean) => {
    const here = kept.current;
    if (here.busy && !start) return;
    const turn = start ? ++here.turn : here.turn;
    here.busy = true;
    setLoading(true);
    try {
      const page = await get<Page>("/tasks", { ...filters, limit: PAGE, after: start ? null : here.next });
      if (turn !== here.turn) return; // another question was asked meanwhile
      if (start) {
        here.rows = new Map();
        setFresh(0);
      }
      for (const task of page.tasks) here.rows.set(task.id, task);
      here.next = page.next;
      setRows([...here.rows.values()]);
      setMore(page.next !== null && here.rows.size < WINDOW);
      setFailure(null);
    } catch (error) {
      if (turn === here.turn) setFailure(error as Failure);
    } finally {
      if (turn === here.turn) {
        here.busy = false;
        setLoading(false);
      }
    }
  }, [key]);

  useEffect(() => void load(true), [load]);
  useEffect(() => {
    let waiting: ReturnType<typeof setTimeout> | undefined;
    const stops = [
      stream.read((changes) => {
        const here = kept.current;
        const { touched, fresh: came } = changed(here.rows, changes);
        if (came) setFresh((now) => now + came);
        if (!touched.size) return;
        for (const [id, row] of touched) here.rows.set(id, row); // a key that is there keeps its place
        waiting ??= setTimeout(() => ((waiting = undefined), setRows([...here.rows.values()])), 100);
      }),
      stream.onResync(() => void load(true)),
    ];
    return () => {
      clearTimeout(waiting);
      for (const stop of stops) stop();
    };
  }, [load]);

  return { rows, fresh, more, loading, failure, loadMore: useCallback(() => void load(false), [load]), reload: useCallback(() => void load(true), [load]) };
}
