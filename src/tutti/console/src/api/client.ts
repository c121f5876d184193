/** Calls to the API that serves this page. The session's cookie goes along by itself; nothing else is ever called. */

/** What the API answers instead: a problem (RFC 9457), with the status and, where it has one, what to do next. */
export class Failure extends Error {
  constructor(readonly status: number, readonly code: string, readonly detail: string, readonly hint: string, readonly request: string) {
    super(detail);
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

/** A path of the API with its query; what is empty is left out. */
export function url(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== null && value !== undefined && value !== "") params.set(name, String(value));
  const text = params.toString();
  return `/v1${path}${text ? `?${text}` : ""}`;
}

async function call<T>(method: string, path: string, body?: unknown, key?: string, signal?: AbortSignal, heard?: (answer: Response) => void): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  const request = `${method} ${path}`;
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body), credentials: "same-origin", cache: "no-store", signal: signal ?? null });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure(0, "unreachable", "The server does not answer.", "It may be restarting; the page tries again by itself.", request);
  }
  heard?.(answer);
  if (answer.status === 204) return undefined as T;
  const text = await answer.text();
  let value: unknown = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    value = null;
  }
  if (answer.ok) return value as T;
  const problem = (value ?? {}) as { code?: string; detail?: string; hint?: string };
  throw new Failure(answer.status, problem.code ?? "failed", problem.detail ?? `The server answered ${answer.status}.`, problem.hint ?? "", request);
}

export const get = <T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> => call<T>("GET", url(path, query), undefined, undefined, signal);
/** A page of a list, and the query of the next one where the server names it (RFC 8288). */
export async function getPage<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<{ rows: T; next: Query | null }> {
  let link = "";
  const rows = await call<T>("GET", url(path, query), undefined, undefined, signal, (answer) => (link = answer.headers.get("link") ?? ""));
  const next = /<([^>]*)>\s*;[^,]*rel="?next"?/.exec(link)?.[1];
  return { rows, next: next === undefined ? null : Object.fromEntries(new URL(next, location.origin).searchParams) };
}

/** A key that no other call has. Browsers give `randomUUID` to pages on https and localhost only. */
export const newKey = (): string => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Sends something that changes the world; `key` makes a repetition harmless. */
export const post = <T>(path: string, body: unknown = {}, key: string = newKey()): Promise<T> => call<T>("POST", url(path), body, key);
export const put = <T>(path: string, body: unknown): Promise<T> => call<T>("PUT", url(path), body, newKey());
export const remove = <T>(path: string): Promise<T> => call<T>("DELETE", url(path));

/** A segment of a path, from an id or a name that could hold anything. */
export const part = (text: string): string => encodeURIComponent(text);
