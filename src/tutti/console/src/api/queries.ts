/** Reading through one cache: a key is the path with its query; what the stream says changes marks keys as out of date. */
import { keepPreviousData, QueryClient, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { Failure, get, type Query } from "./client.ts";

export const cache = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      gcTime: 60_000,
      refetchOnWindowFocus: true,
      retry: (times, error) => error instanceof Failure && (error.status === 0 || error.status >= 502) && times < 3,
      retryDelay: (times) => Math.min(500 * 2 ** times, 5_000),
    },
  },
});

interface Options {
  /** Milliseconds after which it is read again by itself. */
  every?: number;
  enabled?: boolean;
  /** Show the former answer while another query of the same view is under way. */
  keep?: boolean;
}

/** Read a path of the API (`/tasks`) and keep it while somebody looks at it. */
export function useRead<T>(path: string, query: Query = {}, { every, enabled = true, keep = true }: Options = {}): UseQueryResult<T, Failure> {
  return useQuery<T, Failure>({
    queryKey: [path, query],
    queryFn: ({ signal }) => get<T>(path, query, signal),
    enabled,
    ...(every ? { refetchInterval: every } : {}),
    ...(keep ? { placeholderData: keepPreviousData } : {}),
  });
}

/** Mark every answer whose path begins so as out of date; what is on the page is read again. */
export const outOfDate = (...paths: string[]): void => {
  void cache.invalidateQueries({ predicate: ({ queryKey }) => paths.some((path) => String(queryKey[0]).startsWith(path)) });
};
