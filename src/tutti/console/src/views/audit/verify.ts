/** Checking the journal without trusting who keeps it: every leaf is made anew from its record, the tree from the leaves, and the tree held against signed heads. */
import type { Leaf, SignedHead } from "../../api/schema.ts";
import { type Bytes, Frontier, fromHex, leafHash, toHex } from "./merkle.ts";

/** A head from another time: what this browser saw when it last checked the journal of this origin. */
export interface Remembered {
  origin: string;
  seq: number;
  root: string;
  at: string;
  key: string;
}

export interface Progress {
  done: number;
  total: number;
  perSecond: number;
}

export interface Report {
  ok: boolean;
  /** What is wrong, in words; null where nothing is. */
  wrong: string | null;
  /** The first record that is not what was sealed, or is missing. */
  firstBad: number | null;
  /** Records among which something was rewritten together with its leaf. */
  between: [number, number] | null;
  facts: number;
  root: string;
  /** Signed heads that the tree was held against, with their signatures. */
  heads: number;
  signedSeq: number | null;
  /** Whether this browser can check Ed25519; without it the heads' roots are compared, their signatures are not. */
  signatures: boolean;
  key: string | null;
  remembered: Remembered | null;
  /** The remembered head was given up by a restore that the journal itself states. */
  givenUp: boolean;
  ms: number;
}

export interface Source {
  /** Records after `after`, in order; nothing when there are no more. */
  leaves(after: number): Promise<readonly Leaf[]>;
}

interface Options {
  heads: readonly SignedHead[];
  /** Where the journal stands, as the server says. */
  until: number;
  remembered?: Remembered | null;
  onProgress?: (progress: Progress) => void;
  now?: () => number;
}

const HEAD = "tutti head 1\n";

/** Whether this browser knows Ed25519. */
export async function knowsEd25519(): Promise<boolean> {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32).fill(1), "Ed25519", false, ["verify"]);
    return true;
  } catch (error) {
    return !(error instanceof DOMException && error.name === "NotSupportedError") && !(error instanceof TypeError);
  }
}

/** Why a signed head is not genuine; null where it is. Its text must say the very root and number that it stands for. */
export async function wrongWith(head: SignedHead, signatures = true): Promise<string | null> {
  let said: { root?: unknown; seq?: unknown; origin?: unknown };
  try {
    if (!head.statement.startsWith(HEAD)) throw new Error();
    said = JSON.parse(head.statement.slice(HEAD.length)) as typeof said;
  } catch {
    return "what was signed is no head";
  }
  if (said.root !== head.root || said.seq !== head.seq || said.origin !== head.origin) return "what was signed is another head";
  if (!signatures) return null;
  const [key, signature] = [fromHex(head.key), fromHex(head.signature)];
  if (!key || !signature) return "its signature is no signature";
  try {
    const known = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    const holds = await crypto.subtle.verify("Ed25519", known, signature, new TextEncoder().encode(head.statement));
    return holds ? null : "it is not signed by the key that it names";
  } catch {
    return "its key is no key";
  }
}

interface Restore {
  at: number;
  head: number;
  witnessed: number;
}

/** What a record says of a restore: the heads between `head` and `witnessed` that were made before it hold no more. */
function restoreIn(content: string): Restore | null {
  if (!content.includes('"workspace.restored"')) return null;
  try {
    const [header, data] = content.split("\n") as [string, string];
    const [, at, , kind] = JSON.parse(header) as [number, number, string, string];
    const { head, witnessed } = JSON.parse(data) as Restore;
    return kind === "workspace.restored" ? { at, head, witnessed } : null;
  } catch {
    return null;
  }
}

const same = (one: Bytes, other: Bytes | null): boolean => other !== null && one.length === other.length && one.every((byte, place) => byte === other[place]);

/** Walk all records. Stops at the first that is wrong; never trusts a leaf that it has not made itself. */
export async function verify(source: Source, { heads, until, remembered = null, onProgress, now = () => performance.now() }: Options): Promise<Report> {
  const began = now();
  const tree = new Frontier();
  const signatures = await knowsEd25519();
  const report: Report = { ok: false, wrong: null, firstBad: null, between: null, facts: 0, root: "", heads: 0, signedSeq: null, signatures, key: heads.at(-1)?.key ?? null, remembered: null, givenUp: false, ms: 0 };
  const end = async (changes: Partial<Report>): Promise<Report> => ({ ...report, facts: tree.size, root: toHex(await tree.root()), ms: now() - began, ...changes });

  if (remembered && heads.length && !heads.some((head) => head.key === remembered.key)) return end({ wrong: "its heads are signed by another key than when this browser last looked" });
  for (const head of heads) {
    const wrong = await wrongWith(head, signatures);
    if (wrong) return end({ wrong: `the signed head of record ${head.seq} is not genuine: ${wrong}` });
  }
  const marks = [...heads.map((head) => ({ seq: head.seq, root: head.root, is: "the signed head" })), ...(remembered ? [{ ...remembered, is: "the head that this browser remembers" }] : [])]
    .sort((one, other) => one.seq - other.seq);
  const restores: Restore[] = [];
  let place = 0, good = 0;

  const passMarks = async (): Promise<Partial<Report> | null> => {
    for (let mark = marks[place]; mark && mark.seq === tree.size; mark = marks[++place]) {
      const fits = toHex(await tree.root()) === mark.root;
      if (!fits && mark.is !== "the signed head" && remembered && restores.some(({ at, head, witnessed }) => 1_000 * Date.parse(remembered.at) <= at && head < mark.seq && mark.seq <= witnessed)) {
        report.givenUp = true;
        continue;
      }
      if (!fits) return { wrong: `${mark.is} of record ${mark.seq} does not fit: among records ${good + 1} to ${mark.seq} something was rewritten together with its leaf`, between: [good + 1, mark.seq] };
      good = mark.seq;
      if (mark.is === "the signed head") {
        report.heads++;
        report.signedSeq = mark.seq;
      } else report.remembered = remembered;
    }
    return null;
  };

  let page = await source.leaves(0);
  while (page.length) {
    const next = page.at(-1)!.seq < until ? source.leaves(page.at(-1)!.seq) : Promise.resolve([]); // read while this page is hashed
    next.catch(() => undefined); // it is awaited below, unless this page ends the walk
    const hashes = await Promise.all(page.map((leaf) => leafHash(leaf.content)));
    let bad: Partial<Report> | null = null, upTo = page.length;
    for (const [at, leaf] of page.entries()) {
      const seq = tree.size + at + 1;
      if (leaf.seq !== seq) bad = { wrong: leaf.seq > seq ? `record ${seq} is missing` : `record ${leaf.seq} stands where record ${seq} must stand`, firstBad: seq };
      else if (!same(hashes[at]!, fromHex(leaf.leaf))) bad = { wrong: `record ${seq} is not what was sealed`, firstBad: seq };
      if (bad) {
        upTo = at;
        break;
      }
      const restore = restoreIn(leaf.content);
      if (restore) restores.push(restore);
    }
    let from = 0;
    while (from < upTo) {
      const mark = marks[place];
      const to = mark && mark.seq - tree.size <= upTo - from ? from + mark.seq - tree.size : upTo;
      await tree.add(hashes.slice(from, to));
      from = to;
      const rewritten = await passMarks();
      if (rewritten) return end(rewritten);
    }
    if (bad) return end(bad);
    const ms = now() - began;
    onProgress?.({ done: tree.size, total: Math.max(until, tree.size), perSecond: ms ? (1000 * tree.size) / ms : 0 });
    page = await next;
  }
  const beyond = marks[place];
  if (beyond) return end({ wrong: `${beyond.is} speaks of record ${beyond.seq}, but the records end at ${tree.size}`, firstBad: tree.size + 1 });
  if (tree.size < until) return end({ wrong: `records ${tree.size + 1} to ${until} are missing at the end`, firstBad: tree.size + 1 });
  return end({ ok: true });
}
