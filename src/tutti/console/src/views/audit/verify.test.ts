import { describe, expect, it } from "vitest";
import { Frontier, fromHex, leafHash, toHex } from "./merkle.ts";
import vectors from "./vectors.json" with { type: "json" };
import type { Leaf } from "../../api/schema.ts";
import { type Source, verify, wrongWith } from "./verify.ts";

const { leaves, heads } = vectors;
const last = heads.at(-1)!;
const paged = (all: readonly Leaf[], size: number): Source => ({ leaves: async (after) => all.filter((leaf) => leaf.seq > after).slice(0, size) });
const changed = (seq: number, change: Partial<Leaf>): Leaf[] => leaves.map((leaf) => (leaf.seq === seq ? { ...leaf, ...change } : leaf));
const remember = (seq: number, root: string) => ({ origin: "o-vectors", seq, root, at: "2026-11-18T11:06:40.000Z", key: last.key });

describe("the tree", () => {
  it("hashes leaves as the journal does", async () => {
    for (const leaf of leaves) expect(toHex(await leafHash(leaf.content))).toBe(leaf.leaf);
  });
  it("has the journal's root at every size, however the leaves come in", async () => {
    const hashes = leaves.map((leaf) => fromHex(leaf.leaf)!);
    for (const head of heads) for (const batch of [1, 2, 3, 5, 64]) {
      const tree = new Frontier();
      for (let at = 0; at < head.seq; at += batch) await tree.add(hashes.slice(at, Math.min(at + batch, head.seq)));
      expect(toHex(await tree.root())).toBe(head.root);
    }
  });
  it("of nothing is the hash of nothing", async () => {
    expect(toHex(await new Frontier().root())).toBe(vectors.empty);
  });
});

describe("signed heads", () => {
  it("are genuine as the journal signed them", async () => {
    for (const head of heads) expect(await wrongWith(head)).toBeNull();
  });
  it("are not with another root, number, origin, key or signature", async () => {
    expect(await wrongWith({ ...last, origin: "o-other" })).toMatch("another head");
    expect(await wrongWith({ ...last, root: heads[0]!.root })).toMatch("another head");
    expect(await wrongWith({ ...last, seq: 20 })).toMatch("another head");
    expect(await wrongWith({ ...last, signature: heads[0]!.signature })).toMatch("not signed by the key");
    expect(await wrongWith({ ...last, statement: `${last.statement} ` })).toMatch("not signed by the key");
    expect(await wrongWith({ ...last, statement: "I owe you" })).toMatch("no head");
    expect(await wrongWith({ ...last, signature: "xyz" })).toMatch("no signature");
  });
});

describe("verifying", () => {
  const until = leaves.length;
  it("finds a whole journal whole, whatever the pages are", async () => {
    for (const size of [1, 4, 7, 1000]) {
      const report = await verify(paged(leaves, size), { heads, until });
      expect(report).toMatchObject({ ok: true, wrong: null, facts: 21, root: last.root, heads: heads.length, signedSeq: 21 });
    }
  });
  it("names the first record whose text was changed", async () => {
    expect(await verify(paged(changed(9, { content: leaves[8]!.content.replace("n-9", "n-8") }), 4), { heads, until })).toMatchObject({ ok: false, firstBad: 9, facts: 8 });
  });
  it("says between which heads a record was rewritten together with its leaf", async () => {
    const content = `${leaves[9]!.content} `;
    const report = await verify(paged(changed(10, { content, leaf: toHex(await leafHash(content)) }), 6), { heads, until });
    expect(report).toMatchObject({ ok: false, firstBad: null, between: [9, 13] });
  });
  it("finds what is missing in the middle and at the end", async () => {
    expect(await verify(paged(leaves.filter((leaf) => leaf.seq !== 6), 4), { heads, until })).toMatchObject({ ok: false, firstBad: 6 });
    expect(await verify(paged(leaves.slice(0, 18), 4), { heads: [], until })).toMatchObject({ ok: false, firstBad: 19 });
    expect(await verify(paged(leaves.slice(0, 18), 4), { heads, until: 18 })).toMatchObject({ ok: false, firstBad: 19 });
  });
  it("passes through the head that this browser remembers, and says when it does not", async () => {
    expect(await verify(paged(leaves, 4), { heads, until, remembered: remember(5, heads[4]!.root) })).toMatchObject({ ok: true, remembered: { seq: 5 } });
    expect(await verify(paged(leaves, 4), { heads: [last], until, remembered: remember(5, last.root) })).toMatchObject({ ok: false, between: [1, 5] });
    expect(await verify(paged(leaves, 4), { heads, until, remembered: { ...remember(5, heads[4]!.root), key: "00" } })).toMatchObject({ ok: false });
  });
  it("gives a remembered head up where the journal states a restore", async () => {
    const content = `[22,1999999999999999,"acme","workspace.restored","acme","person/owner",null]\n{"head":21,"witnessed":23}`;
    const more = [...leaves, { seq: 22, content, leaf: toHex(await leafHash(content)) }, { seq: 23, content: "x", leaf: toHex(await leafHash("x")) }];
    expect(await verify(paged(more, 50), { heads, until: 23, remembered: remember(23, last.root) })).toMatchObject({ ok: true, givenUp: true, remembered: null });
    expect(await verify(paged(more, 50), { heads, until: 23, remembered: remember(5, last.root) })).toMatchObject({ ok: false });
  });
  it("does not trust a signed head with a foreign root", async () => {
    expect(await verify(paged(leaves, 4), { heads: [{ ...last, root: heads[0]!.root }], until })).toMatchObject({ ok: false, facts: 0 });
  });
});
