/** A list of any length: read page by page up to a window, and told how much came in since, so that nothing moves under the reader's eyes. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { stream } from "../live/stream.ts";
import { type Failure, get, type Query } from "./client.ts";

/** More rows than this are not kept in the page: a filter finds what lies beyond. */
export const WINDOW = 5_000;

export interface Pages<Row> {
  rows: readonly Row[];
  more: boolean;
  loading: boolean;
  failure: Failure | null;
  /** How many came in since the list was read. */
  fresh: number;
  loadMore: () => void;
  reload: () => void;
}

interface Options<Row, Page> {
  rows: (page: Page) => readonly Row[];
  next: (page: Page) => string | number | null;
  /** The kind of fact by which a row comes in: `signal.received`. */
  comes: string;
  limit?: number;
  enabled?: boolean;
}

export function usePages<Row, Page>(path: string, query: Query, { rows, next, comes, limit = 100, enabled = true }: Options<Row, Page>): Pages<Row> {
  const [fresh, setFresh] = useState(0);
  const asked = useInfiniteQuery<Page, Failure, { pages: Page[] }, [string, string, Query], string | number | null>({
    queryKey: ["pages", path, query], // not by its path: the stream must not make a list that somebody reads begin anew
    queryFn: ({ pageParam, signal }) => get<Page>(path, { ...query, limit, after: pageParam }, signal),
    initialPageParam: null,
    getNextPageParam: next,
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    enabled,
  });
  const found = asked.data?.pages.flatMap((page) => [...rows(page)]) ?? [];
  useEffect(() => stream.read((changes) => {
    const came = changes.filter((change) => change.kind === comes).length;
    if (came) setFresh((now) => now + came);
  }), [comes]);
  useEffect(() => setFresh(0), [asked.dataUpdatedAt]);
  const more = asked.hasNextPage && found.length < WINDOW;
  return {
    rows: found, more, loading: asked.isFetching, failure: asked.error, fresh,
    loadMore: () => void (more && !asked.isFetching && asked.fetchNextPage()),
    reload: () => (setFresh(0), void asked.refetch()),
  };
}
