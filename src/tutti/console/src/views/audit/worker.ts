/** Checks the journal beside the page, so that the page stays quick. It asks the same server with the same session, and believes nothing it is told. */
import type { Head, Leaf, SignedHead } from "../../api/schema.ts";
import { type Progress, type Remembered, type Report, verify } from "./verify.ts";

export type Order = { remembered: Remembered[] };
export type News = { progress: Progress } | { report: Report; head: SignedHead | null } | { failure: string };

const PAGE = 1_000; // heads at a time
const LEAVES = 2_500;
const MARKS = 200; // signed heads that the tree is held against; there may be one for every second of a year

async function read<T>(path: string): Promise<T> {
  const answer = await fetch(`/v1${path}`, { credentials: "same-origin", cache: "no-store", headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(((await answer.json().catch(() => null)) as { detail?: string } | null)?.detail ?? `The server answered ${answer.status}.`);
  return (await answer.json()) as T;
}

/** All signed heads, thinned out to `MARKS` with the newest always among them. */
async function signedHeads(): Promise<SignedHead[]> {
  const all: SignedHead[] = [];
  for (let after = 0; ; after = all.at(-1)!.seq) {
    const page = await read<SignedHead[]>(`/journal/heads?after=${after}&limit=${PAGE}`);
    all.push(...page.filter((head) => head.seq > 0));
    if (page.length < PAGE) break;
  }
  const step = Math.max(Math.ceil(all.length / MARKS), 1);
  return all.filter((_, place) => (all.length - 1 - place) % step === 0);
}

async function check({ remembered }: Order): Promise<void> {
  const heads = await signedHeads();
  const { seq: until } = await read<Head>("/journal/head");
  const newest = heads.at(-1) ?? null;
  const known = remembered.find((each) => each.origin === newest?.origin) ?? null;
  let told = 0;
  const report = await verify({ leaves: async (after) => (after >= until ? [] : (await read<{ leaves: Leaf[] }>(`/journal/leaves?after=${after}&limit=${Math.min(LEAVES, until - after)}`)).leaves) }, {
    heads, until, remembered: known,
    onProgress: (progress) => {
      if (performance.now() - told < 100) return;
      told = performance.now();
      postMessage({ progress } satisfies News);
    },
  });
  postMessage({ report, head: newest } satisfies News);
}

addEventListener("message", (event: MessageEvent<Order>) => {
  check(event.data).catch((error: unknown) => postMessage({ failure: error instanceof Error ? error.message : String(error) } satisfies News));
});
