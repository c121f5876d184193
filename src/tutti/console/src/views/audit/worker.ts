/** Checks the journal beside the page, so that the page stays quick. It asks the same server with the same session, and believes nothing it is told. */
import { type Leaf, type Progress, type Remembered, type Report, type SignedHead, verify } from "./verify.ts";

export type Order = { remembered: Remembered[] };
export type News = { progress: Progress } | { report: Report; head: SignedHead | null; origin: string | null } | { failure: string };

interface Head {
  seq: number;
}

const PAGE = 1_000;
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

/** Which journal a head speaks of. */
function originOf(head: SignedHead): string | null {
  try {
    return String((JSON.parse(head.signed.split("\n")[1] ?? "") as { origin: unknown }).origin);
  } catch {
    return null;
  }
}

async function check({ remembered }: Order): Promise<void> {
  const heads = await signedHeads();
  const { seq: until } = await read<Head>("/journal/head");
  const newest = heads.at(-1) ?? null;
  const origin = newest && originOf(newest);
  const known = remembered.find((each) => each.origin === origin) ?? null;
  let told = 0;
  const report = await verify({ leaves: async (after) => (after >= until ? [] : (await read<{ leaves: Leaf[] }>(`/journal/leaves?after=${after}&limit=${Math.min(PAGE, until - after)}`)).leaves) }, {
    heads, until, remembered: known,
    onProgress: (progress) => {
      if (performance.now() - told < 100) return;
      told = performance.now();
      postMessage({ progress } satisfies News);
    },
  });
  postMessage({ report, head: newest, origin } satisfies News);
}

addEventListener("message", (event: MessageEvent<Order>) => {
  check(event.data).catch((error: unknown) => postMessage({ failure: error instanceof Error ? error.message : String(error) } satisfies News));
});
